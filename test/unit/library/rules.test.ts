import { expect, test } from '@jest/globals';
import type { alertsSchema } from '../../../src/config/schema/alerts.ts';
import type { KindFields } from '../../../src/core/alert/kind/index.ts';
import type { commonFields } from '../../../src/core/alert/rules/common-fields.ts';
import type * as z from '../../../src/core/schema/zod.ts';
import type { AlertRule, AlertRules } from '../../../src/library/rules.ts';

// The types of the library are written for readers; the schema is what takes them. The type checker compares the two.

type RuleInput = Partial<z.input<z.ZodObject<typeof commonFields & KindFields>>>;
type AlertsInput = z.input<typeof alertsSchema>;

/** Keys of one that the other does not have: `never`. */
type Differing<One, Other> = Exclude<keyof One, keyof Other> | Exclude<keyof Other, keyof One>;
const same = <Keys extends string>(...differing: [Keys] extends [never] ? [] : [Keys]) => differing;

/** For the daemon alone, or of a share group. */
type OfDaemon = 'wait_for_spools' | 'max_silence';

test('a rule of the library has the keys of every kind', () => {
  expect(same<Differing<AlertRule, RuleInput>>()).toEqual([]);
  expect(same<Exclude<Differing<AlertRules, AlertsInput>, OfDaemon>>()).toEqual([]);
});

test('what the types take, the schema takes', () => {
  type Written<Type> = Type extends object ? { -readonly [Key in keyof Type]: Written<Type[Key]> } : Type;
  const taken = (rule: Written<AlertRule>): RuleInput => rule;
  expect(taken({ max: 8, window: '10m' })).toEqual({ max: 8, window: '10m' });
});
