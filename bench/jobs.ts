/** Messages between the bench and its child processes. */
export interface DrainJob {
  /** The daemon's configuration; the bare subscriber takes its MQTT options from it. */
  readonly config: string;
  readonly expected: number;
  /**
   * Messages are published while it is connected, which it therefore reports. The first `warmUp` are not timed; when it is
   * done with them it reports that, and the others are published.
   */
  readonly live?: { readonly warmUp: number };
  /** Where the daemon leaves a CPU profile of this drain. */
  readonly profileFile?: string;
}

export interface DrainReport {
  /** From the first message to the last: received and counted, or committed and acknowledged. */
  readonly seconds: number;
  /** So many were done with in `seconds`. */
  readonly timed: number;
  /** User and system time of the process over that span. */
  readonly cpuSeconds: number;
  /** How long a commit was under way, of `seconds`. */
  readonly commitSeconds: number;
  /** The most memory that the process has had. */
  readonly peakMegabytes: number;
  readonly received: number;
  /** New rows; for the bare subscriber none. */
  readonly stored: number;
  /** Nothing came any more although messages were missing. */
  readonly stalled: boolean;
}

export type DrainAnswer =
  { readonly kind: 'connected' | 'warm' } | { readonly kind: 'done'; readonly report: DrainReport };

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

/** With a configuration the daemon is started; each job is answered with the totals. */
export interface MemberJob {
  readonly config?: string | undefined;
  /** Whether it reads from the broker from now on: what is published meanwhile is a backlog. */
  readonly reads?: boolean;
  /** From now on a CPU profile is taken; the job after it writes the file. */
  readonly profileFile?: string | undefined;
}

export interface MemberReport {
  readonly stored: number;
  /** Time of the last commit, by the clock that all processes of the machine have. */
  readonly storedAtMs: number;
  readonly batches: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}

/** With a configuration the daemon is started; each job is answered with the totals. */
export interface WatchedJob {
  readonly config?: string;
  /** Whether it reads from the broker from now on: what is published meanwhile is a backlog. */
  readonly reads?: boolean;
  /** `begin`: those from now on count. `read`: the answer has those since then. */
  readonly latencies?: 'begin' | 'read';
  /** From now on a CPU profile is taken; the next job about latencies writes the file. */
  readonly profileFile?: string | undefined;
}

export interface WatchedReport {
  readonly stored: number;
  /** Time of the last commit, by the clock that all processes of the machine have. */
  readonly storedAtMs: number;
  readonly cpuSeconds: number;
  /** From publishing to commit; NaN unless it was asked for. */
  readonly p99Ms: number;
}

/** With a port the readers of the page begin; each job is answered with the totals. */
export interface WatchJob {
  readonly open?: { readonly port: number; readonly streams: number; readonly users: number };
}

export interface WatchReport {
  readonly events: number;
  readonly requests: number;
  /** Answered with 304. */
  readonly unchanged: number;
  /** Answered with a server error or with Retry-After. */
  readonly failures: number;
  /** Streams that are open. */
  readonly streams: number;
  readonly p99Ms: number;
  readonly cpuSeconds: number;
}

interface PublishTo {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly topicRoot: string;
}

export interface PublishJob {
  readonly broker: PublishTo;
  readonly ratePerSecond: number;
  readonly messages: number;
  readonly seed: number;
  /** Sensors of which each second reading breaches `limit`: their alerts change with every one. */
  readonly alerting?: { readonly sensors: number; readonly limit: number } | undefined;
}

export interface PublishReport {
  readonly messages: number;
  /** The most that a message left after its time: it counts towards the latency, and must stay small against it. */
  readonly maxLateMs: number;
}

export interface LiveJob {
  readonly broker: PublishTo;
  readonly messages: number;
  /** Time of the reading in the first payload. */
  readonly startMs: number;
  readonly seed: number;
  /** The most that may lack their PUBACK. */
  readonly window: number;
}

export interface LiveReport {
  /** From the first PUBLISH to the last PUBACK. */
  readonly seconds: number;
}
