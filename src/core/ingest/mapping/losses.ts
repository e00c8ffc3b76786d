import type { Losses } from '../../reading.ts';

const MAX_NAMES = 8;
const MAX_NAME_CHARS = 128;

/** Sets a metric of a record that may name one twice: the later value stays, the other is counted (D14'). */
export function setMetric(
  metrics: Record<string, unknown>,
  name: string,
  value: unknown,
  losses: LossTally,
): void {
  if (Object.hasOwn(metrics, name) && metrics[name] !== value) losses.replace(name);
  metrics[name] = value;
}

/** Metrics that could not be stored, with the first few names: all are counted, and the log stays short. */
export class LossTally {
  dropped = 0;
  ambiguous = 0;
  private droppedNames: string[] | undefined;
  private ambiguousNames: string[] | undefined;

  /** A value, or a whole array of them, that is not stored. */
  drop(name: string): void {
    this.dropped++;
    this.droppedNames = withName(this.droppedNames, name);
  }

  /** A value that another one of the same device, time and metric replaces (D14'). */
  replace(name: string): void {
    this.ambiguous++;
    this.ambiguousNames = withName(this.ambiguousNames, name);
  }

  add(other: LossTally): void {
    this.dropped += other.dropped;
    this.ambiguous += other.ambiguous;
    for (const name of other.droppedNames ?? []) this.droppedNames = withName(this.droppedNames, name);
    for (const name of other.ambiguousNames ?? []) this.ambiguousNames = withName(this.ambiguousNames, name);
  }

  /** The names; undefined where nothing was lost. */
  get names(): Losses | undefined {
    const { droppedNames, ambiguousNames } = this;
    if (droppedNames === undefined && ambiguousNames === undefined) return undefined;
    return { dropped: droppedNames ?? [], ambiguous: ambiguousNames ?? [] };
  }
}

function withName(names: string[] | undefined, name: string): string[] {
  if (names === undefined) return [name.slice(0, MAX_NAME_CHARS)];
  if (names.length >= MAX_NAMES) return names;
  const short = name.slice(0, MAX_NAME_CHARS);
  if (!names.includes(short)) names.push(short);
  return names;
}
