import { capital } from './capital.ts';
import type { Severity } from './alert/model.ts';
import { counted } from './counted.ts';
import { plainText } from './printable.ts';

/** Facts that decide the verdict on the daemon. Figures of the database are absent while it does not answer. */
export interface VerdictFacts {
  readonly database: { readonly connected: boolean; readonly detail: string | undefined };
  readonly broker: {
    readonly subscribed: boolean;
    readonly detail: string | undefined;
    readonly refused: number;
  };
  readonly spool:
    { readonly items: number; readonly parked: number; readonly detail: string | undefined } | undefined;
  readonly alerts: Readonly<Record<Severity, number>> | undefined;
  readonly sensors: { readonly silent: number; readonly total: number } | undefined;
  readonly policies:
    { readonly errors: number; readonly warnings: number; readonly error: string | undefined } | undefined;
  readonly sinks: readonly { readonly sink: string; readonly detail: string }[];
  readonly silentRoutes: readonly string[];
  /** How far the clock of this machine is off, in seconds; undefined: it is right. */
  readonly clockOffS: number | undefined;
}

export interface VerdictReason {
  readonly severity: Severity;
  readonly text: string;
  /** Where the page shows more, relative to its root. */
  readonly link: string | null;
}

export interface StatusVerdict {
  readonly ok: boolean;
  readonly severity: Severity | null;
  readonly sentence: string;
  readonly reasons: readonly VerdictReason[];
}

const URGENCY: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

/** Whether all is well, as one sentence, and every reason why not: the most urgent first. What is only worth knowing leaves all well. */
export function verdictOf(facts: VerdictFacts): StatusVerdict {
  const reasons = reasonsOf(facts).sort((a, b) => URGENCY[a.severity] - URGENCY[b.severity]);
  const [first, ...others] = reasons.filter(({ severity }) => severity !== 'info');
  if (first === undefined)
    return { ok: true, severity: reasons[0]?.severity ?? null, sentence: allIsWell(facts), reasons };
  const rest = others.length === 0 ? '' : `, and ${counted(others.length, 'further reason')}`;
  return { ok: false, severity: first.severity, sentence: `${capital(first.text)}${rest}.`, reasons };
}

function allIsWell({ sensors }: VerdictFacts): string {
  if (sensors === undefined || sensors.total === 0) return 'All is well; no sensor has sent anything yet.';
  return `All is well: ${counted(sensors.total, 'sensor')}, no alert is open.`;
}

function reasonsOf(facts: VerdictFacts): VerdictReason[] {
  return [
    ...databaseReasons(facts),
    ...brokerReasons(facts),
    ...alertReasons(facts),
    ...sensorReasons(facts),
    ...policyReasons(facts),
    ...facts.silentRoutes.map((name) =>
      reason('warning', `route ${plainText(name)} stopped delivering`, 'setup'),
    ),
    ...facts.sinks.map(({ sink, detail }) =>
      reason('critical', `notifications to ${plainText(sink)} fail: ${plainText(detail)}`),
    ),
    ...(facts.clockOffS === undefined
      ? []
      : [reason('warning', `the clock of this machine is ${Math.round(Math.abs(facts.clockOffS))} s off`)]),
  ];
}

const reason = (severity: Severity, text: string, link: string | null = null): VerdictReason => ({
  severity,
  text,
  link,
});

function databaseReasons({ database, spool }: VerdictFacts): VerdictReason[] {
  const reasons: VerdictReason[] = [];
  if (!database.connected) {
    const kept =
      spool === undefined || spool.detail !== undefined
        ? 'messages wait at the broker'
        : 'readings wait on disk';
    reasons.push(
      reason(
        'critical',
        `the database does not answer (${plainText(database.detail ?? 'unknown')}), ${kept}`,
      ),
    );
  }
  if (spool === undefined) return reasons;
  if (spool.detail !== undefined)
    reasons.push(reason('warning', `the spool is in trouble: ${plainText(spool.detail)}`));
  if (spool.parked > 0)
    reasons.push(
      reason('warning', `${counted(spool.parked, 'batch', 'batches')} of the spool could not be stored`),
    );
  if (database.connected && spool.items > 0)
    reasons.push(
      reason(
        'info',
        `${counted(spool.items, 'item')} of the spool ${spool.items === 1 ? 'is' : 'are'} being stored`,
      ),
    );
  return reasons;
}

function brokerReasons({ broker }: VerdictFacts): VerdictReason[] {
  if (!broker.subscribed) {
    const why = broker.detail === undefined ? '' : `: ${plainText(broker.detail)}`;
    return [reason('critical', `no connection to the broker${why}`)];
  }
  if (broker.refused === 0) return [];
  return [reason('warning', `the broker refuses ${counted(broker.refused, 'subscription')}`, 'setup')];
}

function alertReasons({ alerts }: VerdictFacts): VerdictReason[] {
  return (['critical', 'warning', 'info'] as const).flatMap((severity) => {
    const count = alerts?.[severity] ?? 0;
    if (count === 0) return [];
    const text = `${counted(count, `${severity} alert`)} ${count === 1 ? 'is' : 'are'} open`;
    return [reason(severity, text, 'alerts')];
  });
}

function sensorReasons({ sensors }: VerdictFacts): VerdictReason[] {
  if (sensors === undefined || sensors.silent === 0) return [];
  return [reason('warning', `${counted(sensors.silent, 'sensor')} stopped sending`, 'sensors?state=silent')];
}

function policyReasons({ policies }: VerdictFacts): VerdictReason[] {
  if (policies === undefined) return [];
  const { errors, warnings, error } = policies;
  return [
    ...(error === undefined
      ? []
      : [reason('warning', `the policies cannot be verified: ${plainText(error)}`, 'policies')]),
    ...(errors === 0
      ? []
      : [reason('critical', `${counted(errors, 'critical policy finding')}`, 'policies')]),
    ...(warnings === 0 ? [] : [reason('warning', `${counted(warnings, 'policy finding')}`, 'policies')]),
  ];
}
