import { type Random, noise } from './random.ts';

/** A simulated sensor to which something happens at a known time: seconds since the start, once every ten minutes. */
export interface StorySensor {
  readonly location: string;
  readonly device: string;
  /** Its values; undefined: it is silent. */
  measure(
    seconds: number,
    random: Random,
  ): { readonly temperature: number; readonly humidity: number } | undefined;
}

const CYCLE_S = 600;

const DOOR = { openS: 8, closedS: 45 } as const;
const FREEZER = { base: -18, warmest: -4, warmingS: 15, coolingS: 12 } as const;

/** A freezer whose door is left open for half a minute: the air warms at once, and cools again when it is closed. */
function freezer(seconds: number): number {
  const { base, warmest, warmingS, coolingS } = FREEZER;
  const warmed = (forS: number) => (warmest - base) * (1 - Math.exp(-Math.max(0, forS) / warmingS));
  if (seconds < DOOR.closedS) return base + warmed(seconds - DOOR.openS);
  return base + warmed(DOOR.closedS - DOOR.openS) * Math.exp(-(seconds - DOOR.closedS) / coolingS);
}

/** Its battery comes loose, and is pushed back after some minutes. */
const SILENT = { fromS: 25, untilS: 240 } as const;

/** Drifts by six percent a minute, as a humidity sensor does that ages: in a demonstration a year is short. */
const DRIFT = { base: 48, perMinute: 6, most: 76 } as const;

/** Scripted events of a demonstration, apart from chance. */
export const STORY: readonly StorySensor[] = [
  {
    location: 'kitchen',
    device: 'freezer-01',
    measure: (seconds, random) => ({
      temperature: freezer(seconds) + noise(random, 0.1),
      humidity: 45 + noise(random, 0.5),
    }),
  },
  {
    location: 'cellar',
    device: 'cellar-01',
    measure: (seconds, random) =>
      seconds >= SILENT.fromS && seconds < SILENT.untilS
        ? undefined
        : { temperature: 12 + noise(random, 0.1), humidity: 70 + noise(random, 0.5) },
  },
  {
    location: 'warehouse',
    device: 'warehouse-01',
    measure: (seconds, random) => ({
      temperature: 17 + noise(random, 0.2),
      humidity: Math.min(DRIFT.most, DRIFT.base + (DRIFT.perMinute * seconds) / 60) + noise(random, 0.4),
    }),
  },
];

/** The place in the story at a time after the start. */
export const storySeconds = (elapsedMs: number): number => (Math.max(0, elapsedMs) / 1000) % CYCLE_S;

/** Whether a fleet of so many sensors has room for it. */
export const hasStory = (sensors: number): boolean => sensors > STORY.length;
