import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { type Setting, decodeSetting, settingsQuery } from '../setting.ts';

const CHECK = 'settings';

interface Harmful extends Pick<Finding, 'severity'> {
  readonly wanted: string;
  readonly isHarmful: (value: string) => boolean;
  readonly effect: string;
}

const other = (wanted: string, effect: string): Harmful => ({
  ...{ wanted, severity: 'critical', effect },
  isHarmful: (value) => value !== wanted,
});

/** A limit below the needs of work of a usual size. 0 is no limit. */
const below = (least: number, wanted: string, effect: string): Harmful => ({
  ...{ wanted, severity: 'warning', effect },
  isHarmful: (value) => Number(value) > 0 && Number(value) < least,
});

/**
 * Settings under which statements report success and do less, or work of a usual size fails. The daemon sets the time
 * limits of its own sessions; the background workers that run the policies start with the settings of the role and
 * the database.
 */
const HARMFUL: Readonly<Record<string, Harmful>> = {
  session_replication_role: other(
    'origin',
    'foreign keys are not checked and triggers do not fire, those of TimescaleDB among them',
  ),
  zero_damaged_pages: other('off', 'a damaged page is emptied, with its rows, without an error'),
  ignore_checksum_failure: other('off', 'damaged pages are read and copied on without an error'),
  'timescaledb.enable_dml_decompression': other(
    'on',
    'changes of compressed chunks do not see the rows in them: some may be stored twice, others are not deleted',
  ),
  'timescaledb.skip_cagg_invalidation': other(
    'off',
    'what is written does not show in the aggregates: readings that come late are never aggregated',
  ),
  'timescaledb.max_tuples_decompressed_per_dml_transaction': below(
    10_000,
    '100000',
    'late readings of compressed chunks are refused (53400)',
  ),
  lock_timeout: below(1000, '0', 'the background workers of policies give up at the first lock'),
  statement_timeout: below(
    1000,
    '0',
    'background workers and other programs are cut off; this one has a limit of its own',
  ),
  transaction_timeout: below(60_000, '0', 'the background workers of policies are cut off'),
};

/** No setting, at whatever level, makes statements lose rows silently or policies fail. */
export const settingsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no setting of the role, the database or the server lets rows be lost or policies fail',
  // The embedded database is one process, which begins with settings of its own.
  queries: (_plan, { server }) => (server.hasWorkers ? [settingsQuery(Object.keys(HARMFUL))] : []),
  evaluate: (_plan, { server }, [rows = []]) =>
    rows.map((row) => decodeSetting(row, server)).flatMap(checkSetting),
};

function checkSetting({ name, value, where, remedy }: Setting): readonly Finding[] {
  const harmful = HARMFUL[name];
  if (harmful?.isHarmful(value) !== true) return [];
  return [
    {
      ...{ check: CHECK, subject: name, verdict: 'unsafe', severity: harmful.severity },
      expected: `${name} = ${harmful.wanted}`,
      actual: `${name} = ${value}, set for ${where}: ${harmful.effect}`,
      remedy: remedy(harmful.wanted),
    },
  ];
}
