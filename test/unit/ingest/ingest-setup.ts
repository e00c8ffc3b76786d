import { expect } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { Decoded } from '../../../src/core/reading.ts';
import type { Logger } from '../../../src/ports/metrics.ts';
import type { AlertEvaluator } from '../../../src/services/ingest/batch-commit.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { DeadLetterBudget } from '../../../src/services/ingest/dead-letter-budget.ts';
import { type Decoder, Ingest } from '../../../src/services/ingest/ingest.ts';
import { type RegistryOptions, SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory, FakeSource, FakeStore, RecordingMetrics, noAlerting } from '../../support/fakes.ts';

/** `up`, `down` availability, of `node` with its parts · `v` one reading · `v,w` two · `wide n` one of n metrics · `!` undecodable · `-` ignored. The topic is the device. */
export const decoder: Decoder = {
  decode({ topic, payload, arrivalUs }): Decoded {
    const text = new TextDecoder().decode(payload);
    if (text === '!') return { kind: 'reject', code: 'parse_error', detail: 'not ours' };
    if (text === '-') return { kind: 'reject', code: 'ignored' };
    if (text === 'up' || text === 'down') {
      const availability = { device: topic, parts: topic === 'node', online: text === 'up' };
      return { kind: 'reject', code: 'ignored', availability };
    }
    const wide = /^wide (\d+)$/.exec(text);
    if (wide !== null) {
      const metrics = new Map(Array.from({ length: Number(wide[1]) }, (_, n) => [`m${n}`, n]));
      const reading = { device: topic, timeUs: arrivalUs, location: undefined, stamped: true, metrics };
      return { kind: 'readings', readings: [reading], dropped: 0 };
    }
    const readings = text.split(',').map((value, index) => ({
      device: topic,
      timeUs: arrivalUs + index,
      location: undefined,
      stamped: true,
      metrics: new Map([['temperature', Number(value)]]),
    }));
    return { kind: 'readings', readings, dropped: 0 };
  },
};

export const transient = new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });

export async function setup(
  extra: {
    alertManager?: AlertEvaluator;
    registry?: Partial<RegistryOptions>;
    maxRows?: number;
    lingerMs?: number;
    maxDeadLetters?: number;
    windowRows?: number;
    windowMessages?: number;
    logger?: Logger;
    decoder?: Decoder;
    clockUnknown?: () => boolean;
    members?: () => number;
  } = {},
) {
  const [source, store, directory, clock, metrics] = [
    new FakeSource(),
    new FakeStore(),
    new FakeDirectory(),
    new FakeClock(),
    new RecordingMetrics(),
  ];
  directory.add('s1');
  const logger = extra.logger ?? silentLogger;
  const registryOptions = {
    registration: 'auto' as const,
    allow: ['*'],
    max: 100_000,
    maxNewPerMinute: 100,
    ...extra.registry,
  };
  const registry = new SensorRegistry(registryOptions, { directory, clock, logger, metrics });
  await registry.load();
  const { maxDeadLetters } = extra;
  const deadLetters =
    maxDeadLetters === undefined
      ? undefined
      : new DeadLetterBudget(maxDeadLetters, { clock, logger, metrics });
  const writer = new BatchWriter(
    { baseMs: 100, capMs: 1000 },
    {
      deadLetters,
      registry,
      alertManager: extra.alertManager ?? noAlerting(),
      store,
      clock,
      logger,
      metrics,
      random: () => 1,
    },
  );
  const ingest = new Ingest(
    {
      batch: { maxRows: extra.maxRows ?? 1000, maxBytes: 1 << 20, lingerMs: extra.lingerMs ?? 20 },
      window: {
        maxRows: extra.windowRows ?? 10_000,
        maxBytes: 1 << 24,
        maxMessages: extra.windowMessages ?? 10_000,
      },
    },
    {
      ...{ source, registry, writer, clock, logger, metrics, deadLetters },
      decoder: extra.decoder ?? decoder,
      clockUnknown: extra.clockUnknown,
      members: extra.members,
    },
  );
  await ingest.start();
  const conserved = () => {
    const t = ingest.totals();
    expect(t.received).toBe(
      t.stored + t.duplicate + t.merged + t.conflict + t.deadLettered + t.filtered + t.inFlight,
    );
    return t;
  };
  return { source, store, directory, clock, metrics, ingest, writer, conserved };
}
