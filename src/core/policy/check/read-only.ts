import type { PolicyCheck } from '../check.ts';
import { decodeSetting, settingsQuery } from '../setting.ts';

const CHECK = 'read_only';

/** A setting that makes every transaction read-only: nothing is stored, and no job runs. */
export const readOnlyCheck: PolicyCheck = {
  name: CHECK,
  about: 'the database takes writes',
  queries: () => [settingsQuery(['default_transaction_read_only'])],
  evaluate: (_plan, { server }, [rows = []]) =>
    rows
      .map((row) => decodeSetting(row, server))
      .filter(({ value }) => value === 'on')
      .map(({ name, where, remedy }) => ({
        ...{ check: CHECK, subject: name, verdict: 'mismatched', severity: 'critical' },
        expected: `${name} = off`,
        actual: `${name} = on, set for ${where}: nothing can be written`,
        remedy: remedy('off'),
      })),
};
