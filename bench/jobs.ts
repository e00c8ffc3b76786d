/** What the bench and its child processes say to each other. */
export interface DrainJob {
  /** The daemon's configuration; the bare subscriber takes its MQTT options from it. */
  readonly config: string;
  readonly expected: number;
  /** Where the daemon leaves a CPU profile of this drain. */
  readonly profileFile?: string;
}

export interface DrainReport {
  /** From the first message to the last: received and counted, or committed and acknowledged. */
  readonly seconds: number;
  /** User and system time of the process over that span. */
  readonly cpuSeconds: number;
  /** How long a commit was under way, of `seconds`. */
  readonly commitSeconds: number;
  readonly received: number;
  /** New rows; for the bare subscriber none. */
  readonly stored: number;
  /** Nothing came any more although messages were missing. */
  readonly stalled: boolean;
}

export interface LatencyJob {
  readonly config: string;
  readonly expected: number;
  /** So many messages at the start are not counted: connections and code warm up. */
  readonly skip: number;
}

export type LatencyReport =
  | { readonly kind: 'subscribed' }
  | {
      readonly kind: 'done';
      readonly messages: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
      readonly maxMs: number;
      readonly cpuSeconds: number;
      readonly stalled: boolean;
    };

export interface PublishJob {
  readonly broker: {
    readonly url: string;
    readonly username: string | undefined;
    readonly password: string | undefined;
    readonly topicRoot: string;
  };
  readonly ratePerSecond: number;
  readonly messages: number;
  readonly seed: number;
}

export interface PublishReport {
  readonly messages: number;
  /** The most that a message left after its time: it counts towards the latency, and must stay small against it. */
  readonly maxLateMs: number;
}
