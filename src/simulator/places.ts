/** A metric that swings around `base` once a day, with noise on top. Canonical units. */
export interface Swing {
  readonly base: number;
  /** Half of the daily swing. */
  readonly amplitude: number;
  /** Standard deviation of the noise. */
  readonly sigma: number;
}

export interface Place {
  readonly location: string;
  readonly temperature: Swing;
  readonly humidity: Swing;
  /** The normal limits of the place: outside of them is a breach. Usable as alert thresholds. */
  readonly limits: {
    readonly temperature: { readonly min: number; readonly max: number };
    readonly humidity: { readonly min: number; readonly max: number };
  };
}

/** The three places of the simulated fleet. Without a breach no reading leaves the limits. */
export const PLACES: readonly Place[] = [
  {
    location: 'greenhouse',
    temperature: { base: 23, amplitude: 4, sigma: 0.25 },
    humidity: { base: 65, amplitude: 8, sigma: 0.8 },
    limits: { temperature: { min: 12, max: 32 }, humidity: { min: 40, max: 90 } },
  },
  {
    location: 'warehouse',
    temperature: { base: 17, amplitude: 3, sigma: 0.2 },
    humidity: { base: 48, amplitude: 5, sigma: 0.6 },
    limits: { temperature: { min: 8, max: 26 }, humidity: { min: 30, max: 65 } },
  },
  {
    location: 'coldroom',
    temperature: { base: 4.5, amplitude: 0.6, sigma: 0.15 },
    humidity: { base: 78, amplitude: 3, sigma: 0.8 },
    limits: { temperature: { min: 0, max: 8 }, humidity: { min: 55, max: 92 } },
  },
];
