import type { RouteConfig } from '../core/ingest/route-config.ts';
import type { ProposedRules } from './propose-rules.ts';

/** Messages that are left out for one reason. */
export interface Reason {
  readonly reason: string;
  readonly messages: number;
  readonly topics: number;
  readonly examples: readonly string[];
}

export interface LearnedMetric {
  readonly name: string;
  readonly unit: string | undefined;
  readonly values: number;
  readonly min: number;
  readonly max: number;
}

export interface LearnedRoute {
  readonly route: RouteConfig;
  /** The ecosystem, for display; undefined for a custom format. */
  readonly ecosystem: string | undefined;
  readonly messages: number;
  readonly topics: number;
  readonly perMinute: number | undefined;
  readonly devices: readonly string[];
  readonly metrics: readonly LearnedMetric[];
  readonly hints: readonly string[];
  /** Messages that would still become dead letters. */
  readonly faults: readonly Reason[];
}

/** The result of learning from the received messages. */
export interface Learned {
  readonly messages: number;
  readonly topics: number;
  readonly seconds: number;
  readonly overlooked: number;
  readonly routes: readonly LearnedRoute[];
  readonly rules: ProposedRules;
  /** Known to be no telemetry. */
  readonly leftOut: readonly Reason[];
  /** Perhaps telemetry, but nothing reads it. */
  readonly notPlaced: readonly Reason[];
}
