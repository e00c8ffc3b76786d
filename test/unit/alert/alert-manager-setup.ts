import type { AlertBatch, AlertNotification, AlertStateRow } from '../../../src/core/alert/model.ts';
import type { Silence } from '../../../src/core/alert/suppress/silence.ts';
import type {
  AlertStore,
  LastReading,
  OperatorStore,
  ReadingSpan,
  WaitingCommand,
} from '../../../src/ports/alerts.ts';
import type { Logger } from '../../../src/ports/metrics.ts';
import type { Sensor } from '../../../src/ports/sensors.ts';
import { createAlertManager } from '../../../src/services/alert/alert-manager.ts';
import type { EvaluatedReading } from '../../../src/services/alert/state-loader.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingMetrics, settle } from '../../support/fakes.ts';
import { WatermarkRows, readingsIn } from '../../support/watermark-rows.ts';
import { D, T0_MS, T0_US, rulesOf } from './support.ts';

export const SENSOR: Sensor = { id: 1, key: 's1', name: null, type: null, location: null, tags: [] };

/** What operators asked for. */
export class MemoryOperatorStore implements OperatorStore {
  silences: Silence[] = [];
  commands: WaitingCommand[] = [];
  failing = false;
  readonly lines = new Map<string, AlertNotification>();

  async announce(lines: readonly AlertNotification[]) {
    if (this.failing) throw new Error('away');
    const fresh = lines.filter(({ alertId, seq }) => !this.lines.has(`${alertId} ${seq}`));
    for (const line of fresh) this.lines.set(`${line.alertId} ${line.seq}`, line);
    return fresh;
  }

  async poll() {
    if (this.failing) throw new Error('away');
    return { silences: [...this.silences], commands: [...this.commands] };
  }
}

/** The tables that the engine reads back, filled by what it commits. */
export class MemoryStore implements AlertStore {
  readonly states = new Map<string, AlertStateRow>();
  readonly watermarks = new WatermarkRows();
  readonly outbox: AlertNotification[] = [];
  private readonly known = new Set<string>();
  readonly sent = new Set<string>();
  readonly readings: LastReading[] = [];
  readonly spans: ReadingSpan[] = [];
  failing = false;

  commit(batch: AlertBatch, readings: readonly EvaluatedReading[] = []): void {
    this.watermarks.write(batch.waiting);
    for (const row of batch.states) {
      const key = `${row.sensorId}|${row.alertType}`;
      if (row.state === 'ok') this.states.delete(key);
      else this.states.set(key, row);
    }
    for (const notification of batch.notifications) {
      if (!this.known.has(key(notification))) this.outbox.push(notification);
      this.known.add(key(notification));
    }
    for (const { sensor, timeUs, metrics } of readings)
      for (const [metric, value] of metrics)
        this.readings.push({ sensorId: sensor.id, metric, timeUs, value: value as number });
  }

  async loadStates() {
    return [...this.states.values()];
  }

  async loadWaiting(group: string) {
    return this.watermarks.load(group);
  }

  async loadReadings(spans: readonly ReadingSpan[]) {
    return readingsIn(this.readings, spans);
  }

  readonly lastReadings = async (spans: readonly ReadingSpan[]) => {
    if (this.failing) throw new Error('away');
    this.spans.push(...spans);
    return spans.flatMap(({ sensorId, fromUs, toUs }) => {
      const inside = this.readings.filter(
        (each) => each.sensorId === sensorId && each.timeUs >= fromUs && each.timeUs <= toUs,
      );
      const newest = inside.sort((a, b) => b.timeUs - a.timeUs)[0];
      return newest === undefined ? [] : [newest];
    });
  };

  async pendingNotifications() {
    return this.outbox.filter((each) => !this.sent.has(key(each)));
  }

  async markSent(sent: readonly Pick<AlertNotification, 'alertId' | 'seq'>[]) {
    if (this.failing) throw new Error('away');
    for (const each of sent) this.sent.add(key(each));
  }
}

const key = ({ alertId, seq }: Pick<AlertNotification, 'alertId' | 'seq'>) => `${alertId}|${seq}`;

export function setUp(store = new MemoryStore(), rules = rulesOf(D)) {
  const lines: string[] = [];
  const logged: [string, Record<string, unknown>][] = [];
  const log = (level: string) => (fields: Record<string, unknown>, message: string) => {
    if (level !== 'debug') logged.push([level, { ...fields, message }]);
  };
  const logger = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  } as unknown as Logger;
  const clock = new FakeClock(T0_MS);
  const metrics = new RecordingMetrics();
  const alertLog = { write: (line: string) => void lines.push(line) };
  const operators = new MemoryOperatorStore();
  const alertManager = createAlertManager({
    rules,
    store,
    lastReadings: store.lastReadings,
    operators,
    logger,
    metrics,
    clock,
    alertLog,
  });
  const alertLines = () => logged.filter(([, { event }]) => event !== undefined);
  return { alertManager, operators, store, lines, logged, alertLines, metrics, clock };
}

export const reading = (atS: number, value: number): EvaluatedReading => ({
  sensor: SENSOR,
  timeUs: T0_US + atS * 1e6,
  receivedAtMs: T0_MS + atS * 1000,
  metrics: new Map([['temperature', value]]),
});

export async function run({ alertManager, store }: ReturnType<typeof setUp>, ...batch: EvaluatedReading[]) {
  await alertManager.prepare(batch);
  const evaluation = await alertManager.evaluate(batch);
  store.commit(evaluation.batch, batch);
  evaluation.commit();
  alertManager.publish(evaluation.batch.notifications);
  // The outbox is published in the background.
  await new Promise(setImmediate);
  return evaluation.batch;
}

export const start = (daemon: ReturnType<typeof setUp>) => {
  const committed: AlertBatch[] = [];
  daemon.alertManager.start(async (evaluate) => {
    const evaluation = evaluate();
    daemon.store.commit(evaluation.batch);
    evaluation.commit();
    committed.push(evaluation.batch);
  });
  return committed;
};
export const connected = {
  state: 'connected',
  sessionPresent: true,
  receiveMaximum: 100,
  protocolVersion: 5,
} as const;
/** The look at the deadlines is asynchronous: a second at a time. */
export const pass = async ({ clock }: ReturnType<typeof setUp>, seconds: number) => {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    await settle(1);
  }
};

export const command = (more: Partial<WaitingCommand> = {}): WaitingCommand => ({
  ...{ id: '7', kind: 'ack', sensorId: 1, alertType: 'temperature_high', alertId: null, by: 'ann' },
  ...{ comment: '', ageMs: 0, ...more },
});
