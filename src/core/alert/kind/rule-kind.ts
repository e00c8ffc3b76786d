import * as z from '../../schema/zod.ts';
import type { Micros, Millis } from '../../reading.ts';
import type { ResolveReason, Side } from '../model.ts';
import type { CommonValues } from '../rules/common-fields.ts';
import type { Condition, SeverityLevel } from '../rules/condition.ts';
import type { Effect, Evaluation, LastEvent } from '../state/state.ts';
import type { MessageName } from '../../notify/text/language.ts';

/** Numbers that an alert instance keeps from reading to reading, stored with its state. What they are is up to the kind. */
export type Memory = readonly number[];

export const EMPTY_MEMORY: Memory = [];

/** A number of one metric and what was evaluated before it. */
export interface Sample {
  readonly value: number;
  readonly timeUs: Micros;
  /** The last evaluated number is older than `stale_after`. */
  readonly gap: boolean;
  readonly last: LastEvent | undefined;
  readonly memory: Memory;
  /** The last value of the metric that the condition compares with, unless it is older than `stale_after`. */
  readonly partner?: LastEvent | undefined;
}

/** The known values of a metric when its rule changes. */
export interface Known {
  readonly last: LastEvent | undefined;
  readonly memory: Memory;
  /** When it was last received, and the current time. */
  readonly lastReceivedMs: Millis | undefined;
  readonly nowMs: Millis;
}

/** One alert type of a rule, as its kind compiles it. */
export interface ConditionShape {
  readonly side: Side;
  /** The alert type is `<metric>_<suffix>`, unless it has one of its own. */
  readonly suffix: string;
  readonly alertType?: string;
  /** Compared with the last value of another metric. */
  readonly minus?: Condition['minus'];
  /** Ascending severity. Never empty. */
  readonly levels: readonly SeverityLevel[];
  /** Default: 0. */
  readonly hysteresis?: number;
  /** Default: `confirmed`. */
  readonly forMode?: Condition['forMode'];
  /** Default: the rule's. */
  readonly minSamples?: number;
  /** Neither latched nor flapping. */
  readonly plain?: boolean;
  /** Default: 0. */
  readonly window?: number;
  readonly samples?: number;
}

/** A fault of a merged rule, at one of its fields. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/** The merged fields of a rule, as far as a kind knows them; null where a narrower scope removed one. */
export type RuleValues<Fields extends z.ZodRawShape> = CommonValues & {
  readonly [Key in keyof z.output<z.ZodObject<Fields>>]?: z.output<z.ZodObject<Fields>>[Key] | undefined;
};

/** Facts that the sentence about an alert depends on. */
export interface SentenceFacts {
  readonly value: number | null;
  readonly threshold: number | null;
  /** On the low side; with a limit on each side, below the lower one. */
  readonly low: boolean;
  /** The value is beyond the limit. */
  readonly isBeyond: boolean;
  /** Described in the past: it ended since, came back inside its limit, or the text is late. */
  readonly isPast: boolean;
  /** The episode has ended since. */
  readonly isOver: boolean;
}

/**
 * The messages of a language (`notify/text/language.ts`) that a kind uses in place of those of a limit: `temperature 9.3 °C, above
 * 8 °C`. A method that returns undefined leaves it at that one.
 */
export interface KindSentences {
  /** The measured quantity; default: the metric. */
  readonly subject?: MessageName;
  /** A limit was crossed; without `isBeyond` the value is back inside by the time of the text. */
  crossing?(facts: SentenceFacts): MessageName | undefined;
  /** Still open. */
  open?(facts: SentenceFacts): MessageName | undefined;
  /** By the reason of the end. */
  readonly end?: Readonly<Partial<Record<ResolveReason, MessageName>>>;
  /** The title of a group of sensors, now and once it is over; null: only their number is named. */
  readonly group?: { readonly now: MessageName; readonly over: MessageName } | null;
  /** The title of a group of ends, all of them for one of these reasons; null: only their number is named. */
  readonly groupEnd?: {
    readonly message: MessageName;
    readonly reasons: readonly ResolveReason[];
  } | null;
  /** A negative value beyond its limit is shown without its sign: falls by 2. */
  readonly withoutSign?: true;
}

/**
 * A kind of rule: one file that exports one of these, and a line in `index.ts`. The configuration keys, JSON Schema,
 * reference, conditions, evaluation and texts follow from it; delays, levels, hysteresis, flapping and acknowledgement are
 * the state machine's.
 */
export interface RuleKind<Fields extends z.ZodRawShape = z.ZodRawShape> {
  /** Fields that a rule of a metric may set for it, besides the common ones. */
  readonly fields: Fields;
  /** Suffixes of its alert types. */
  readonly suffixes: readonly string[];
  /** Quantity that its limit is compared with, in lists of limits; default: its name. */
  readonly measure?: string;
  /** It is about missing data: value and threshold are the seconds without any, and what arrives ends it. */
  readonly isAbsence?: true;
  /** Its limit is a height on the curve of the metric: that of its rule, or only that of its alerts. */
  readonly limitOnCurve?: 'rule' | 'alert';
  /** Each reading as it is against one limit a side, whatever came before. */
  readonly comparesReadings?: true;
  /** A value that equals the limit breaches it. */
  readonly includesLimit?: true;
  /** Unit of `window` in its conditions; default: microseconds. */
  readonly windowCounts?: 'readings';
  /** Unit of value and threshold of its alerts, by that of the metric; default: the same. */
  unit?(ofMetric: string | undefined): string | undefined;
  /** Unit of the limit in its rule, where that is another one. */
  limitUnit?(ofMetric: string | undefined): string | undefined;
  /** Sentences of notifications; default: those of a limit. */
  readonly sentences?: KindSentences;
  /** Values that exclude each other once the layers are merged. */
  faults?(values: RuleValues<Fields>): readonly FieldFault[];
  /** Empty where the rule does not use the kind. */
  conditions(values: RuleValues<Fields>): readonly ConditionShape[];
  /** The evaluated value is the number itself: it is known between two readings. */
  readonly evaluatesValue?: boolean;
  /** Within the limits of a threshold it needs no evaluation. */
  readonly quiet?: boolean;
  /** Breach or clear; undefined: no verdict. */
  evaluate(condition: Condition, sample: Sample): Evaluation | undefined;
  /** Evaluates the last value under a new rule; undefined: with the next reading. */
  reevaluate(condition: Condition, known: Known): Evaluation | undefined;
  /** The memory after an evaluation. */
  remember?(condition: Condition, sample: Sample, evaluation: Evaluation | undefined): Memory;
  /** Its memory is stored when this changes; default: whenever it changes. */
  storedMark?(memory: Memory): number;
  /** Subject of the text; default: the metric. */
  subject?(condition: Condition): string;
  /** `above`, `below`; undefined: by the side. */
  beyond?(condition: Condition, effect: Effect): string;
  /** The state of an open alert now; undefined: by the limit. */
  still?(condition: Condition, effect: Effect): string | undefined;
  /** The whole text; undefined: made of the parts above. */
  message?(sensorKey: string, condition: Condition, effect: Effect): string;
}

export const defineKind = <const Fields extends z.ZodRawShape>(kind: RuleKind<Fields>): RuleKind<Fields> =>
  kind;

/** A limit of a rule; null removes that of a wider scope. */
export const limit = (description: string) => z.number().describe(description).nullable();
export const positiveLimit = (description: string) => z.number().positive().describe(description).nullable();

/** The only level of a kind without severity levels. */
export const oneLevel = ({ severity }: CommonValues, value: number): SeverityLevel[] => [
  { severity, limit: value, forUs: undefined },
];
