import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { alertsSchema } from '../src/config/schema/alerts.ts';
import { batchOf } from '../src/core/alert/engine/alert-batch.ts';
import { AlertEngine } from '../src/core/alert/engine/engine.ts';
import type { AlertStateRow } from '../src/core/alert/model.ts';
import { RuleSet } from '../src/core/alert/rules/rule-set.ts';
import type { AlertStore, LastReading } from '../src/ports/alerts.ts';
import type { Sensor } from '../src/ports/sensors.ts';
import { alertId } from '../src/services/alert/alert-id.ts';
import { loadEngine } from '../src/services/alert/state-loader.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';

const FEW = 10_000;
const MANY = 100_000;
const BATCH = 10_000;
const SLICE = 5000;
const METRICS = ['temperature', 'humidity', 'battery'] as const;
const QUIET = new Map(METRICS.map((metric, index) => [metric, 25 + index] as const));
const START_MS = Date.UTC(2026, 0, 1);

/** Linear growth, and room for what no longer fits into a cache. */
const TARGET = 0.5;

const rules = () =>
  new RuleSet(
    alertsSchema.parse({
      defaults: { no_data_after: '15m' },
      metrics: { temperature: { max: 30 }, humidity: { max: 80 }, battery: { min: 20 } },
    }),
  );

/** Costs of one size, in nanoseconds and bytes a sensor. */
interface Costs {
  readonly step: number;
  readonly bytes: number;
  readonly load: number;
  readonly silence: number;
}

/** (g) The alert engine with three rules a sensor and no-data on each, for 10,000 and for 100,000 sensors. */
export async function benchAlerting({ sizes }: BenchOptions): Promise<readonly Figure[]> {
  await costsOf(FEW); // warm-up
  const few: Costs[] = [];
  const many: Costs[] = [];
  for (let run = 0; run < sizes.alertRuns; run++) {
    few.push(await costsOf(FEW));
    many.push(await costsOf(MANY));
  }
  const figure = (measure: string, unit: string, of: (costs: Costs) => number): Figure => {
    const runs = many.map(of);
    const base = few.map(of);
    const value = median(runs);
    return {
      part: 'g',
      measure,
      unit,
      value,
      runs,
      reference: { what: 'of 10,000', unit, value: median(base), runs: base },
      ratio: median(base) / value,
      target: TARGET,
    };
  };
  return [
    figure('alert engine: a reading of 3 metrics', 'ns', ({ step }) => step),
    figure('alert engine: memory a sensor', 'bytes', ({ bytes }) => bytes),
    figure('alert engine: restoring a sensor', 'ns', ({ load }) => load),
    figure('alert engine: silence, 3 alerts a sensor', 'ns', ({ silence }) => silence),
  ];
}

async function costsOf(count: number): Promise<Costs> {
  const sensors = Array.from({ length: count }, (_, index) => sensorOf(index + 1));
  const before = heapBytes();
  const engine = new AlertEngine(rules());
  engine.connected(START_MS);
  readAll(engine, sensors, START_MS); // makes the series
  const bytes = (heapBytes() - before) / count;
  const step = nanoseconds(() => readAll(engine, sensors, START_MS + 60_000)) / count;
  const silence = nanoseconds(() => allSilent(engine, START_MS + 3_600_000)) / count;
  const store = new MemoryStore(sensors);
  const startedAt = performance.now();
  await loadEngine(
    rules(),
    sensors,
    { store, lastReadings: store.lastReadings },
    { nowUs: START_MS * 1000, group: '' },
  );
  const load = ((performance.now() - startedAt) * 1e6) / count;
  return { step, bytes, load, silence };
}

function readAll(engine: AlertEngine, sensors: readonly Sensor[], atMs: number): void {
  for (let from = 0; from < sensors.length; from += BATCH) {
    engine.begin();
    for (const sensor of sensors.slice(from, from + BATCH))
      engine.reading({ sensor, timeUs: atMs * 1000, receivedAtMs: atMs, metrics: QUIET });
    engine.commit();
  }
}

/** As the daemon does it: slice by slice, with the rows of each. */
function allSilent(engine: AlertEngine, nowMs: number): void {
  while (engine.nextDueMs <= nowMs) {
    engine.begin();
    engine.tick(nowMs, SLICE);
    const { effects, touched } = engine.work;
    batchOf(effects, touched, alertId);
    engine.commit();
  }
}

/** State that a start reads back: every tenth sensor has an open alert. The database's own share is not measured here. */
class MemoryStore implements AlertStore {
  private readonly rows: readonly AlertStateRow[];

  constructor(sensors: readonly Sensor[]) {
    this.rows = sensors.filter(({ id }) => id % 10 === 0).map(({ id }) => firing(id));
  }

  async loadStates(): Promise<readonly AlertStateRow[]> {
    return this.rows;
  }

  readonly lastReadings = async (
    spans: readonly { readonly sensorId: number }[],
  ): Promise<readonly LastReading[]> => {
    return spans.flatMap(({ sensorId }) =>
      METRICS.map((metric) => ({ sensorId, metric, timeUs: START_MS * 1000, value: 25 })),
    );
  };

  async loadWaiting() {
    return { rows: [], upTo: '0' };
  }

  async loadReadings(): Promise<readonly never[]> {
    return [];
  }

  async pendingNotifications(): Promise<readonly never[]> {
    return [];
  }

  async markSent(): Promise<void> {}
}

const sensorOf = (id: number): Sensor => ({
  id,
  key: `sensor-${id}`,
  name: null,
  type: null,
  location: null,
  tags: [],
});

const keyOf = (sensorId: number) =>
  ({ sensorId, metric: 'temperature', kind: 'threshold', side: 'high' }) as const;

const firing = (sensorId: number): AlertStateRow => ({
  ...keyOf(sensorId),
  alertType: 'temperature_high',
  state: 'firing',
  alertId: alertId(keyOf(sensorId), START_MS),
  severity: 'warning',
  sinceUs: null,
  startedAtUs: START_MS * 1000,
  firedAtUs: START_MS * 1000,
  threshold: 30,
  peakValue: 31,
  seq: 1,
  lastEventUs: START_MS * 1000,
  lastValue: 31,
  ruleHash: '',
  detail: { fired: [START_MS * 1000] },
});

function nanoseconds(run: () => void): number {
  const startedAt = performance.now();
  run();
  return (performance.now() - startedAt) * 1e6;
}

/** After a full collection; the flag is set here, so that node can be started without it. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
