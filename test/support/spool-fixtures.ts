import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SpoolOptions, openSpool } from '../../src/adapters/spool/level-spool.ts';
import { EMPTY_ALERT_BATCH } from '../../src/core/alert/model.ts';
import type { Spool, SpoolLane, SpoolRecord } from '../../src/ports/spool.ts';
import { FakeClock } from './fake-clock.ts';
import { QuietLogger } from './quiet-logger.ts';

/** A record of `n` readings, numbered from `from`; `bytes` of incompressible payload each. */
export function spoolRecord(
  n: number,
  { from = 0, lane = 'readings', bytes = 20 }: { from?: number; lane?: SpoolLane; bytes?: number } = {},
): SpoolRecord {
  const readings = Array.from({ length: n }, (_, i) => ({
    key: `s${from + i}`,
    location: undefined,
    sensorId: 1,
    timeUs: (from + i) * 1000,
    receivedAtMs: 1,
    metrics: new Map([['temperature', from + i]]),
    message: { topic: 't', payload: randomBytes(bytes), receivedAtMs: 1 },
  }));
  return { lane, id: randomUUID(), readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH };
}

export const numbersOf = (records: readonly SpoolRecord[]): number[] =>
  records.flatMap(({ readings }) => readings.map(({ metrics }) => metrics.get('temperature') ?? NaN));

/** A folder of its own for each test, and spools in it that are closed at the end. */
export class SpoolFolder {
  readonly logger = new QuietLogger();
  readonly clock = new FakeClock();
  private readonly made: string[] = [];
  private readonly spools: Spool[] = [];

  async folder(): Promise<string> {
    const parent = await mkdtemp(join(tmpdir(), 'fw-spool-'));
    this.made.push(parent);
    const folder = join(parent, 'spool');
    await mkdir(folder);
    return folder;
  }

  async open(folder: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
    const spool = await openSpool(
      { folder, maxBytes: 1024 ** 3, maxAgeMs: 86_400_000, ...options },
      { clock: this.clock, logger: this.logger },
    );
    this.spools.push(spool);
    return spool;
  }

  /** Opens a folder that another process has open: the clock goes on for as long as it waits for the lock. */
  async openLocked(folder: string): Promise<Spool> {
    const ticking = setInterval(() => this.clock.advance(250), 1);
    return this.open(folder).finally(() => clearInterval(ticking));
  }

  async clear(): Promise<void> {
    for (const spool of this.spools.splice(0)) await spool.close();
    for (const folder of this.made.splice(0)) await rm(folder, { recursive: true, force: true });
    this.logger.entries.length = 0;
  }
}
