import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { type Diagnosis, areaOf } from './report.ts';

const daemon = areaOf('daemon');
const LIMIT_MS = 3_000;

/** Checks the running daemon: readiness, and the accounting of received messages. */
export async function diagnoseDaemon(
  { http }: Config,
  get: typeof fetch = fetch,
): Promise<readonly Diagnosis[]> {
  if (!http.enabled) return [daemon.skipped('http', 'http.enabled is false: the daemon cannot be asked')];
  const host = ['0.0.0.0', '::'].includes(http.host) ? '127.0.0.1' : http.host;
  const base = `http://${host.includes(':') ? `[${host}]` : host}:${http.port}`;
  const query = async (path: string) => {
    const answer = await get(`${base}${path}`, { signal: AbortSignal.timeout(LIMIT_MS) });
    return { status: answer.status, body: await answer.text() };
  };
  try {
    const [ready, metrics] = [await query('/readyz'), await query('/metrics')];
    return [
      ...checkReadiness(ready.status, ready.body),
      checkConservation(metrics.body),
      checkSpool(metrics.body),
    ];
  } catch {
    return [daemon.skipped('http', `nothing answers at ${base}: the daemon is not running here`)];
  }
}

interface Readiness {
  readonly checks?: readonly { readonly name: string; readonly status: string; readonly detail?: string }[];
}

export function checkReadiness(status: number, body: string): readonly Diagnosis[] {
  const checks = parse(body).checks ?? [];
  const bad = checks.filter((check) => check.status !== 'ok');
  if (bad.length === 0 && status === 200) return [daemon.ok('readiness', 'ready')];
  const remedy = 'see the log of the daemon; docs/errors.md says what each fault does and how it ends';
  if (bad.length === 0)
    return [daemon.fault({ subject: 'readiness', detail: `HTTP status ${status}`, remedy })];
  return bad.map(({ name, status: state, detail = state }) =>
    state === 'degraded'
      ? daemon.warning({ subject: `readiness of ${name}`, detail, remedy })
      : daemon.fault({ subject: `readiness of ${name}`, detail, remedy }),
  );
}

function parse(body: string): Readiness {
  try {
    return JSON.parse(body) as Readiness;
  } catch {
    return {};
  }
}

/** `received = stored + duplicate + … + in_flight`: anything else is a loss, or a bug in the accounting. */
export function checkConservation(metrics: string): Diagnosis {
  const items = new Map<string, number>();
  for (const [, outcome = '', value] of metrics.matchAll(
    /^fieldwatch_ingest_items\{outcome="(\w+)"\} (\S+)$/gm,
  ))
    items.set(outcome, Number(value));
  const received = items.get('received');
  if (received === undefined)
    return daemon.skipped('account', 'the daemon gives no account of what it received');
  const parts = [...items].filter(([outcome]) => outcome !== 'received');
  const sum = parts.reduce((total, [, value]) => total + value, 0);
  const detail = `received ${received} = ${parts.map(([outcome, value]) => `${outcome} ${value}`).join(' + ')}`;
  if (sum === received) return daemon.ok('account', detail);
  return daemon.fault({
    subject: 'account',
    detail: `${detail.replace(' = ', ' ≠ ')} (sum ${sum})`,
    remedy: 'please report this, with the log and the metrics',
  });
}

/** Contents of the spool: a finding only where the operator must act. */
export function checkSpool(metrics: string): Diagnosis {
  const values = new Map<string, number>();
  for (const [, name = '', value] of metrics.matchAll(/^fieldwatch_spool_(\w+(?:\{lane="\w+"\})?) (\S+)$/gm))
    values.set(name, Number(value));
  const bytes = values.get('bytes');
  if (bytes === undefined) return daemon.skipped('spool', 'the daemon runs without a spool');
  const items = [...values].reduce(
    (sum, [name, value]) => (name.startsWith('items{') ? sum + value : sum),
    0,
  );
  const age = Math.round(values.get('oldest_age_seconds') ?? 0);
  const detail = `${counted(items, 'item')}, ${counted(bytes, 'byte')}, the oldest ${age} s old`;
  const [parked = 0, damaged = 0] = [values.get('parked_records'), values.get('damaged_records')];
  const lost = values.get('lost_items') ?? 0;
  if (values.get('full') === 1)
    return daemon.warning({
      subject: 'spool',
      detail: `full: ${detail}`,
      remedy: 'bring the database back, make room on the disk of state_dir, or raise spool.max_bytes',
    });
  if (parked + damaged + lost > 0)
    return daemon.warning({
      subject: 'spool',
      detail: `${counted(parked, 'batch', 'batches')} set aside, ${counted(damaged, 'record')} damaged, ${counted(lost, 'reading')} lost; ${detail}`,
      remedy:
        'see the log for the reason; what was set aside is tried again at the next start, spool/damaged holds the rest',
    });
  return daemon.ok('spool', items === 0 ? 'empty' : detail);
}
