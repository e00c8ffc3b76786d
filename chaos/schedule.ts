import { type Random, between, seededRandom } from '../src/simulator/random.ts';

/** Target of a fault; two faults on the same thing wait for each other. */
export type Target = 'daemon' | 'database' | 'broker' | 'brokerLink' | 'databaseLink';

/** One kind of fault, as far as the plan is concerned. Times in ms. */
export interface FaultShape {
  readonly kind: string;
  readonly target: Target;
  /** How long it lasts: from, to. */
  readonly holdMs: readonly [number, number];
}

export interface PlannedFault<Shape extends FaultShape = FaultShape> {
  readonly fault: Shape;
  /** After the start of the run. */
  readonly atMs: number;
  readonly holdMs: number;
  /** For a fault with two forms. */
  readonly variant: boolean;
}

/** Every kind twice in 120 s, with room for a third round of some. */
const MEAN_GAP_MS = 3000;
const FIRST_MS = 2000;
/** Nothing begins in the last moments: it would be cut short by the end. */
const LAST_MS = 2000;

/**
 * The plan of a run: pure, the same for a seed. Kinds come in rounds, each in an order of its own, so that all of them
 * are exercised equally often.
 */
export function planFaults<Shape extends FaultShape>(
  shapes: readonly Shape[],
  run: { readonly seconds: number; readonly seed: number },
): PlannedFault<Shape>[] {
  const random = seededRandom(run.seed);
  const plan: PlannedFault<Shape>[] = [];
  const endMs = run.seconds * 1000 - LAST_MS;
  for (let atMs = FIRST_MS; atMs < endMs && shapes.length > 0;) {
    for (const fault of shuffled(shapes, random)) {
      if (atMs >= endMs) break;
      const [from, to] = fault.holdMs;
      const holdMs = Math.round(between(random, from, to));
      plan.push({ fault, atMs: Math.round(atMs), holdMs, variant: random() < 0.5 });
      atMs += between(random, MEAN_GAP_MS * 0.5, MEAN_GAP_MS * 1.5);
    }
  }
  return plan;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [list[i] as T, list[j] as T];
    list[i] = b;
    list[j] = a;
  }
  return list;
}
