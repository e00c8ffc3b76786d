import type { AvailabilityTopic } from '../availability.ts';
import type { Ranges } from '../datasheet.ts';
import type { Shape } from '../mapping/split.ts';
import type { RouteConfig } from '../route-config.ts';
import type { Recognition } from './recognition.ts';
import type { Observed } from './samples.ts';

/** By device, by name. */
export type MetricsOfDevices = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

export interface RouteFix {
  readonly route: RouteConfig;
  /** Its purpose, for the operator. */
  readonly hint: string;
}

/** A ready-made route for a known ecosystem. Every key of `defaults` is overridden by the same key of the route. */
export interface Preset {
  readonly name: string;
  /** One line for display. */
  readonly summary: string;
  /** The values of `encoding`, where the ecosystem has several. */
  readonly encodings?: readonly string[];
  /** Its payloads state the unit of a value, or it is fixed: `learn` has no doubts about it. */
  readonly statesUnits?: true;
  /** Hint for the operator about a route that `learn` proposes. */
  hint?(route: RouteConfig): string | undefined;
  /** The keys that a route of it needs besides, by the metrics that its samples gave; undefined: none. */
  fix?(route: RouteConfig, devices: MetricsOfDevices): RouteFix | undefined;
  /** The route itself, given what the operator wrote (`base_topic` and the like). */
  defaults(config: RouteConfig): RouteConfig;
  /** Topics of the ecosystem that are not telemetry, though a route's topic may match them: D15. */
  ignore?(config: RouteConfig): readonly string[];
  /** Other topics in the ecosystem's tree; applied when no route matches a topic: ignored, not `no_match`. */
  rest?(config: RouteConfig): readonly string[];
  /** Topics that report whether a device is online, without measurements. `config`: with the preset's defaults. */
  availability?(config: RouteConfig): readonly AvailabilityTopic[];
  /** Ignored topics that patterns cannot express. */
  ignores?(topic: string): boolean;
  /** How a record of this ecosystem is read; overridden by `metrics_path` and `pivot`. */
  shape?(config: RouteConfig): Shape;
  /** Measuring ranges of the parts behind a device of this message, where it is certain which they are; for `learn --alerts`. */
  datasheet?(message: Observed, device: string): Ranges | undefined;
  /** Recognition of a message of this ecosystem by `learn`; undefined: it is not one, or undecidable. */
  recognise?(message: Observed): Recognition | undefined;
}

/** The hint of an ecosystem that hears sensors by radio. */
export const NEIGHBOURS =
  "it receives the neighbours' sensors, too: sensors.allow limits which may register themselves";
