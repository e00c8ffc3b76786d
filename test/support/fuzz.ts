import type { Router } from '../../src/core/ingest/route.ts';
import { seededRandom } from '../../src/simulator/random.ts';
import { contractBreach } from './contract.ts';
import { cpuMs, leastCpuMs } from './cpu-time.ts';
import { routerOf } from './routes.ts';

/** Seeded fuzzing of one codec: valid samples, mutated, and plain noise. The same seed gives the same payloads. */
export interface FuzzTarget {
  readonly name: string;
  readonly route: object;
  readonly topic: string;
  readonly samples: readonly Uint8Array[];
}

export interface FuzzReport {
  readonly payloads: number;
  readonly readings: number;
  /** The first breaches, each with the payload in hex. */
  readonly breaches: readonly string[];
  readonly slowestMs: number;
}

/** Steps of plain arithmetic, and what they cost on a quiet machine. */
const YARDSTICK_STEPS = 1_000_000;
const YARDSTICK_MS = 6;

export const FUZZ_NOW_MS = Date.parse('2026-01-15T12:00:00Z');

export function runFuzz(target: FuzzTarget, payloads: number, seed: number): FuzzReport {
  const router = routerOf([target.route]);
  const random = seededRandom(seed);
  const breaches: string[] = [];
  let readings = 0;
  let slowestMs = 0;
  for (let index = 0; index < payloads; index++) {
    const payload = nextPayload(target.samples, random);
    const retain = random() < 0.1;
    const { breach, count, ms } = decodeOnce(router, target.topic, payload, retain);
    readings += count;
    // A pause of the machine is not the payload's fault: only one that is slow again counts.
    if (ms > 250) slowestMs = Math.max(slowestMs, decodeOnce(router, target.topic, payload, retain).ms);
    else slowestMs = Math.max(slowestMs, ms);
    if (breach !== undefined && breaches.length < 5)
      breaches.push(`${breach}: ${Buffer.from(payload).subarray(0, 400).toString('hex')}`);
  }
  return { payloads, readings, breaches, slowestMs };
}

/** What a quarter of a second of a quiet machine is on this one now, by work that is always the same. */
export function quarterSecondMs(): number {
  const ms = leastCpuMs(3, () => {
    let state = 1;
    for (let step = 0; step < YARDSTICK_STEPS; step++) state = (state * 5 + step) % 1_000_003;
    if (state < 0) throw new Error('its result is used');
  });
  return 250 * Math.max(1, ms / YARDSTICK_MS);
}

function decodeOnce(
  router: Router,
  topic: string,
  payload: Uint8Array,
  retain: boolean,
): { breach: string | undefined; count: number; ms: number } {
  const start = process.cpuUsage();
  try {
    const decoded = router.decode({ topic, payload, retain, receivedAtMs: FUZZ_NOW_MS });
    const ms = cpuMs(start);
    const count = decoded.kind === 'readings' ? decoded.readings.length : 0;
    return { breach: contractBreach(decoded, FUZZ_NOW_MS), count, ms };
  } catch (error) {
    return { breach: `threw ${String(error)}`, count: 0, ms: cpuMs(start) };
  }
}

function nextPayload(samples: readonly Uint8Array[], random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  if (random() < 0.1) return Uint8Array.from({ length: below(64) }, () => below(256));
  let bytes = [...(samples[below(samples.length)] ?? [])];
  for (let change = below(4); change >= 0; change--) bytes = mutate(bytes, samples, below);
  return Uint8Array.from(bytes.slice(0, 4096));
}

const NASTY = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0x22, 0x5c, 0x7b, 0x5b, 0x2c, 0x9f, 0xbf, 0xdd, 0xdf, 0x9a, 0xba, 0x1b,
];

function mutate(bytes: number[], samples: readonly Uint8Array[], below: (limit: number) => number): number[] {
  if (bytes.length === 0) return [below(256)];
  const at = below(bytes.length);
  const other = samples[below(samples.length)] ?? new Uint8Array();
  switch (below(7)) {
    case 0:
      return bytes.with(at, below(256));
    case 1:
      return bytes.with(at, NASTY[below(NASTY.length)] ?? 0);
    case 2:
      return [...bytes.slice(0, at), ...bytes.slice(at + 1 + below(8))];
    case 3:
      return [...bytes.slice(0, at), NASTY[below(NASTY.length)] ?? 0, ...bytes.slice(at)];
    case 4:
      return [...bytes.slice(0, at), ...other.slice(below(other.length + 1)), ...bytes.slice(at)];
    case 5:
      return [...bytes.slice(0, at), ...Array<number>(below(40)).fill(bytes[at] ?? 0), ...bytes.slice(at)];
    default:
      return bytes.slice(0, at);
  }
}
