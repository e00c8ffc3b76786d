import type { FaultRecord } from './injector.ts';
import type { ChaosResult } from './result.ts';

const DETAILS = 3;
const WIDTH = 110;

/** The table of faults and outcomes, and the verdict, for people. */
export function formatReport(result: ChaosResult): string {
  const { daemon, episodes } = result;
  return [
    '',
    ...formatFaults(result),
    '',
    `seed ${result.seed}, ${result.seconds} s at ${result.rate} messages/s, database: ${result.database}`,
    `messages   ${result.sent} sent, ${result.stored} stored`,
    `alerts     ${episodes.expected} episode rows expected, ${episodes.resolved} resolved`,
    `daemon     ${daemon.starts} starts, ${daemon.failedStarts} of them given up while a server was away`,
    `accounts   ${result.scrapes} scrapes of /metrics`,
    `settled    ${(result.settleMs / 1000).toFixed(1)} s after the last fault`,
    '',
    ...formatVerdict(result),
    '',
  ].join('\n');
}

function formatFaults({ planned, faults }: ChaosResult): string[] {
  const head = `${'fault'.padEnd(20)}${'planned'.padStart(8)}${'injected'.padStart(10)}  detail`;
  const lines = Object.keys(planned)
    .sort()
    .map((kind) => {
      const records = faults.filter((record) => record.kind === kind);
      const injected = records.filter(({ outcome }) => outcome === 'injected').length;
      const counts = `${String(planned[kind]).padStart(8)}${String(injected).padStart(10)}`;
      return `${kind.padEnd(20)}${counts}  ${details(records)}`.slice(0, WIDTH + 40);
    });
  return [head, '-'.repeat(WIDTH), ...lines];
}

function details(records: readonly FaultRecord[]): string {
  const shown = records.slice(0, DETAILS).map(({ detail }) => detail);
  const more = records.length > DETAILS ? [`and ${records.length - DETAILS} more`] : [];
  return [...shown, ...more].join('; ');
}

function formatVerdict({ violations, folder }: ChaosResult): string[] {
  const where = folder === undefined ? [] : [`logs: ${folder}`];
  if (violations.length === 0) {
    return ['HELD: nothing lost, nothing twice, every alert as without faults.', ...where];
  }
  const lines = violations.flatMap(({ what, evidence }) => [
    `  ${what}`,
    ...evidence.map((text) => `    ${text}`),
  ]);
  return [`VIOLATED: ${violations.length}`, ...lines, ...where];
}
