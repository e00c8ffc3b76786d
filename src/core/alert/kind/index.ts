import type * as z from '../../schema/zod.ts';
import { anomaly } from './anomaly.ts';
import { count } from './count.ts';
import { differenceKind as difference } from './difference.ts';
import { mean } from './mean.ts';
import { noData } from './no-data.ts';
import { offline } from './offline.ts';
import { rate } from './rate.ts';
import type { RuleKind } from './rule-kind.ts';
import { spread } from './spread.ts';
import { threshold } from './threshold.ts';

/** The kinds of rules, by the names that rows carry, in the order in which a metric's alerts are made. A new kind is one file and a line here. */
export const KINDS = {
  threshold,
  rate,
  anomaly,
  mean,
  spread,
  difference,
  no_data: noData,
  offline,
  count,
} as const;

type Kinds = typeof KINDS;
type Intersection<Union> = (Union extends unknown ? (each: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never;

/** The keys of all kinds in a rule. */
export type KindFields = Intersection<Kinds[keyof Kinds]['fields']>;
export const kindFields = Object.assign(
  {},
  ...Object.values(KINDS).map(({ fields }) => fields),
) as KindFields & z.ZodRawShape;

/** Rows of a later version may carry one that this one does not know. */
const UNKNOWN: RuleKind = {
  fields: {},
  suffixes: [],
  conditions: () => [],
  evaluate: () => undefined,
  reevaluate: () => undefined,
};

const BY_NAME = new Map<string, RuleKind>(Object.entries(KINDS as unknown as Record<string, RuleKind>));

export const kindOf = (name: string): RuleKind => BY_NAME.get(name) ?? UNKNOWN;

/** The kinds of missing data, for statements of SQL, too. */
export const ABSENCE_KINDS: readonly string[] = [...BY_NAME].flatMap(([name, { isAbsence }]) =>
  isAbsence === true ? [name] : [],
);

export const isAbsence = (kind: string): boolean => kindOf(kind).isAbsence === true;

/** `isAbsence` of a row; of one without a kind (an operator's own INSERT, a line of an older version) by its type. */
export const isOfAbsence = ({
  alertType,
  kind,
}: {
  readonly alertType: string;
  readonly kind?: string | null | undefined;
}): boolean =>
  typeof kind === 'string'
    ? isAbsence(kind)
    : ABSENCE_KINDS.some(
        (name) =>
          alertType === name || kindOf(name).suffixes.some((suffix) => alertType.endsWith(`_${suffix}`)),
      );

/** Every kind that a rule can ask for. */
export const ALL_KINDS: readonly (readonly [name: string, kind: RuleKind])[] = [...BY_NAME];
