import type { JobRun } from '../core/policy/due.ts';
import type { Verified } from '../core/policy/episode.ts';
import { compareFindings, findingKey, type Finding } from '../core/policy/finding.ts';
import type { Logger, Metrics } from '../ports.ts';
import type { StepRun } from './repairing.ts';

export interface ReportOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface Report {
  /** What checks that gave no answer found before is still so, as far as anybody knows. */
  findings(verified: Verified): void;
  jobs(runs: readonly JobRun[]): void;
  repaired(run: StepRun): void;
  current(): readonly Finding[];
  /** Leadership went to another daemon: what is found is now its business. */
  forget(): void;
}

/** Says what changed: each fault is logged once when it appears and once when it is gone, and is a gauge meanwhile. */
export function createReport(options: ReportOptions): Report {
  const { metrics, logger } = options;
  const labels = (finding: Finding) => ({
    check: finding.check,
    subject: finding.subject,
    verdict: finding.verdict,
  });
  const gauge = metrics.gauge('fieldwatch_policy_findings', 'Faults of policies: 1 while one lasts', [
    'check',
    'subject',
    'verdict',
  ]);
  const verified = metrics.gauge(
    'fieldwatch_policies_verified_timestamp_seconds',
    'When the policies were last verified by this daemon',
  );
  const runs = metrics.counter('fieldwatch_policy_job_runs_total', 'Policy jobs that this daemon ran', [
    'outcome',
  ]);
  const repairs = metrics.counter('fieldwatch_policy_repairs_total', 'Steps of repairs by this daemon', [
    'check',
    'outcome',
  ]);
  let current: readonly Finding[] = [];

  return {
    findings({ findings: found, answered, atMs }) {
      const known = (finding: Finding) => found.some((each) => findingKey(each) === findingKey(finding));
      const findings = [
        ...found,
        ...current.filter((finding) => !answered.has(finding.check) && !known(finding)),
      ];
      const { raised, cleared } = compareFindings(current, findings);
      current = findings;
      verified.set(Math.floor(atMs / 1000));
      for (const finding of raised) {
        gauge.set(1, labels(finding));
        logger[finding.severity === 'info' ? 'info' : 'warn']({ ...finding }, 'policy finding');
      }
      for (const finding of cleared) {
        gauge.set(0, labels(finding));
        logger.info(labels(finding), 'policy finding cleared');
      }
    },
    jobs(done) {
      for (const { error, ...run } of done) {
        runs.inc(1, { outcome: error === undefined ? 'ok' : 'failed' });
        if (error === undefined) logger.debug({ ...run }, 'policy job ran');
        else logger.error({ ...run, error }, 'policy job failed');
      }
    },
    repaired({ step: { check, subject, about }, done, error }) {
      repairs.inc(1, { check, outcome: error === undefined ? 'ok' : 'failed' });
      if (error === undefined) logger.info({ check, subject, about, done }, 'policy repaired');
      else logger.error({ check, subject, about, done, error }, 'policy repair failed');
    },
    current: () => current,
    forget() {
      for (const finding of current) gauge.set(0, labels(finding));
      current = [];
    },
  };
}
