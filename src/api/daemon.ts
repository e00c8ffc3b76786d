import type * as z from '../core/schema/zod.ts';
import type { AlertsConfig } from '../core/alert/rules/config.ts';
import type { StatedUnit } from '../core/metric-unit.ts';
import type { PolicyPlan, RepairMode } from '../core/policy/plan.ts';
import type { Finding } from '../core/policy/finding.ts';
import type { Millis } from '../core/reading.ts';
import type { MetricRetention } from '../core/series-plan.ts';
import type { ConfigInEffect } from './contract/config.ts';
import type { DecodedMessage, decodeRequestSchema } from './contract/decode.ts';
import type { Retried } from './contract/dead-letters.ts';
import type { Learning, learnRequestSchema } from './contract/learn.ts';
import type { Forgotten, Retired } from './contract/sensors.ts';
import type { newSilenceSchema } from './contract/silences.ts';
import type { SilenceRow } from '../queries/silences.ts';
import type { RouteList } from './contract/routes.ts';
import type { Intake, Status } from './contract/status.ts';

/** The daemon as it is at this moment: figures from its memory, none of which waits. */
export interface DaemonView {
  health(): Status['health']['checks'];
  intake(): Intake;
  /** Messages wait longer than usual for their commit: readers give way. */
  isBehind(): boolean;
  database(): Status['database'];
  broker(): Status['broker'];
  spool(): Status['spool'];
  sinks(): Status['notifications'];
  silentRoutes(): readonly string[];
  /** How far this machine's clock is behind the database's, seconds; undefined: it is right. */
  clockOffS(): number | undefined;
  /** Undefined: scheduling is disabled. */
  policies(): PolicyState | undefined;
  retention(): MetricRetention;
  /** As the database states it; undefined: it does not, or this daemon has not read it. */
  readonly unitOf: StatedUnit;
  alertRules(): AlertsConfig;
  plan(): PolicyPlan;
  routes(): RouteList;
  /** Undefined: it was not read from files. */
  config(): ConfigInEffect | undefined;
}

/** Result of the scheduler's last verification. */
export interface PolicyState {
  readonly role: 'leader' | 'standby' | 'unknown';
  readonly verifiedAtMs: Millis | undefined;
  readonly error: string | undefined;
  readonly repair: RepairMode;
  readonly findings: readonly Finding[];
}

/** A message to be decoded, with its defaults. */
export type MessageToDecode = z.output<typeof decodeRequestSchema>;

/** A silence to be added, with its defaults. */
export type SilenceToAdd = z.output<typeof newSilenceSchema>;

/** Changes by operators, by the same commands as on the command line. `by` is the operator. */
export interface Operations {
  /** Verifies now; resolves with what was found. */
  checkPolicies(): Promise<PolicyState>;
  /** Deletes a sensor with its rows, or only counts them. */
  forget(key: string, how: { readonly by: string; readonly dryRun: boolean }): Promise<Forgotten>;
  /** Ends the alerts of a sensor and expects nothing of it any more, or brings it back. */
  retire(
    key: string,
    how: { readonly by: string; readonly untilSeen: boolean; readonly undo: boolean },
  ): Promise<Retired>;
  addSilence(
    silence: SilenceToAdd,
    by: string,
  ): Promise<SilenceRow & { readonly matched: number; readonly open: number }>;
  /** Publishes it once more. */
  retryDeadLetter(id: string, how: { readonly again: boolean }): Promise<Retried>;
  startLearning(request: z.output<typeof learnRequestSchema>): Promise<Learning>;
  /** Ends a run with what was received. Undefined for an unknown run. */
  endLearning(id: string): Promise<Learning | undefined>;
  /** Undefined for an unknown run. */
  learning(id: string): Learning | undefined;
  /** Nothing is stored. */
  decode(message: MessageToDecode): DecodedMessage;
}
