// A Fastify plugin: the monitor opens with the server and closes with it.
// npm run example fastify-plugin
import { fileURLToPath } from 'node:url';
import fastify, { type FastifyPluginAsync } from 'fastify';
import { FieldwatchError, type MonitorOptions, type ReadingInput, openMonitor } from 'fieldwatch';

export const sensors: FastifyPluginAsync<{ readonly monitor: MonitorOptions }> = async (app, options) => {
  const monitor = await openMonitor(options.monitor);
  app.addHook('onClose', () => monitor.close());

  app.post<{ Body: ReadingInput }>('/readings', async (request, reply) => {
    const outcome = await monitor.recordReading(request.body);
    return reply.code(201).send(outcome);
  });
  app.get<{ Params: { key: string } }>('/sensors/:key/latest', (request) =>
    monitor.latest({ sensor: request.params.key }),
  );
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof FieldwatchError)) return reply.send(error);
    const { code, message } = error;
    return reply.code(error.kind === 'data' ? 422 : 503).send({ code, message });
  });
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = fastify();
  await app.register(sensors, {
    monitor: { database: process.env['DATABASE_URL'] ?? { embedded: './data/example' } },
  });
  console.log(await app.listen({ port: 3000, host: '127.0.0.1' }));
  process.once('SIGINT', () => void app.close());
}
