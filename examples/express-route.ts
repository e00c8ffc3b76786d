// Routes of an Express application: POST /readings stores, GET /sensors/:key answers with figures.
// npm run example express-route
import { fileURLToPath } from 'node:url';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { FieldwatchError, type Monitor, type ReadingInput, openMonitor } from 'fieldwatch';

const STATUS: Readonly<Record<string, number>> = { SENSOR_UNKNOWN: 404, READING_REFUSED: 422 };

export function sensorRoutes(monitor: Monitor): Express {
  const app = express();
  app.use(express.json({ limit: '1mb' }));

  app.post('/readings', async (request: Request, response: Response) => {
    const readings = request.body as readonly ReadingInput[];
    response.status(201).json(await monitor.recordBatch(readings));
  });

  app.get('/sensors/:key', async (request: Request<{ key: string }>, response: Response) => {
    response.json(await monitor.summary(request.params.key, 24));
  });

  // Four parameters: that is how Express knows a handler of errors.
  app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (!(error instanceof FieldwatchError)) return next(error);
    const { code, message, remedy, kind } = error;
    response.status(STATUS[code] ?? (kind === 'transient' ? 503 : 500)).json({ code, message, remedy });
  });
  return app;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const monitor = await openMonitor({
    database: process.env['DATABASE_URL'] ?? { embedded: './data/example' },
  });
  const server = sensorRoutes(monitor).listen(3000, '127.0.0.1', () => console.log('http://127.0.0.1:3000'));
  process.once('SIGINT', () => server.close(() => void monitor.close()));
}
