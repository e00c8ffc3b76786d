// A monitoring service as a class: register, record one and many, thresholds, summary, trends, recent alerts.
// npm run example monitoring-service            on the embedded database, in ./data/example
// DATABASE_URL=postgres://… npm run example monitoring-service
import { fileURLToPath } from 'node:url';
import { type Monitor, type MonitorOptions, type ReadingInput, openMonitor } from 'fieldwatch';

export class MonitoringService implements AsyncDisposable {
  private readonly monitor: Monitor;

  private constructor(monitor: Monitor) {
    this.monitor = monitor;
  }

  static async open(database: MonitorOptions['database']): Promise<MonitoringService> {
    return new MonitoringService(await openMonitor({ database, alerts: {} }));
  }

  async register(sensor: string, location: string, limits: { min: number; max: number }): Promise<void> {
    await this.monitor.registerSensor({ sensor, location, type: 'climate' });
    await this.monitor.setThresholds(sensor, { temperature: { ...limits, hysteresis: 0.5 } });
  }

  async record(sensor: string, temperature: number, humidity: number): Promise<void> {
    await this.monitor.recordReading({ sensor, metrics: { temperature, humidity } });
  }

  async recordAll(readings: Iterable<ReadingInput>): Promise<number> {
    return (await this.monitor.recordBatch(readings)).stored;
  }

  /** One line a metric, one an alert. */
  async report(sensor: string): Promise<readonly string[]> {
    const { metrics, alerts, open } = await this.monitor.summary(sensor, 24);
    const trends = await this.monitor.hourlyTrends(sensor, 1, { metrics: ['temperature'] });
    return [
      ...metrics.map(
        ({ metric, count, avg, min, max, unit }) =>
          `${metric}: ${count} values, mean ${avg.toFixed(1)}, ${min} to ${max} ${unit ?? ''}`,
      ),
      `temperature by the hour: ${trends.map(({ avg }) => avg.toFixed(1)).join(' ')}`,
      `${alerts} alerts in 24 hours, ${open} open`,
      ...(await this.monitor.recentAlerts({ sensor, hours: 24 })).map(({ message }) => message ?? ''),
    ];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.monitor.close();
  }
}

/** A day with a reading every ten minutes, warmest at 14:00 UTC. */
export function* dayOf(sensor: string, until: Date): Generator<ReadingInput> {
  for (let minutes = 24 * 60 - 10; minutes > 0; minutes -= 10) {
    const time = new Date(until.getTime() - minutes * 60_000);
    const phase = ((time.getUTCHours() - 8) / 24) * 2 * Math.PI;
    const temperature = Math.round((4 + Math.sin(phase)) * 10) / 10;
    yield { sensor, time, metrics: { temperature, humidity: 60 } };
  }
}

export async function main(
  database: MonitorOptions['database'],
  print: (line: string) => void = console.log,
): Promise<void> {
  await using service = await MonitoringService.open(database);
  await service.register('cold-store', 'warehouse', { min: 2, max: 8 });
  print(`${await service.recordAll(dayOf('cold-store', new Date()))} readings stored`);
  await service.record('cold-store', 9.5, 71);
  for (const line of await service.report('cold-store')) print(line);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await main(process.env['DATABASE_URL'] ?? { embedded: './data/example' });
