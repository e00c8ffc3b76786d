/** Messages between the soak and the daemon under it. */
export type SoakJob =
  | { readonly kind: 'start'; readonly config: string }
  /** Figures since the look before; a new phase begins new ones. */
  | { readonly kind: 'look'; readonly phase: number }
  | { readonly kind: 'stop' };

export interface AlertLine {
  readonly sensorKey: string;
  /** When the line was written, on the machine's clock. */
  readonly atMs: number;
}

export type SoakReport =
  | { readonly kind: 'subscribed' | 'stopped' }
  | {
      readonly kind: 'look';
      readonly phase: number;
      readonly rssBytes: number;
      /** Figures of this phase so far, in milliseconds; NaN without a value. */
      readonly loopDelayP99Ms: number;
      readonly loopDelayMaxMs: number;
      readonly latencyP99Ms: number;
      /** Since the start: readings committed, times that the connection to the broker was lost. */
      readonly committed: number;
      readonly disconnects: number;
      /** Lines of the log about many silent sensors, and about a broker that is away, since the start. */
      readonly groupLines: number;
      readonly awayLines: number;
      /** Alert lines since the look before. */
      readonly alerts: readonly AlertLine[];
    };

export type Look = Extract<SoakReport, { kind: 'look' }>;
