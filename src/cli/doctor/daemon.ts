import { text } from 'node:stream/consumers';
import { readTokenFile } from '../../app/token-file.ts';
import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { type Diagnosis, areaOf } from './report.ts';

const daemon = areaOf('daemon');
const LIMIT_MS = 3_000;

/** Checks the running daemon: readiness, and the accounting of received messages. */
export async function diagnoseDaemon(
  { http }: Config,
  get: Get = http.tls.cert_file === undefined ? fetch : overTls,
): Promise<readonly Diagnosis[]> {
  if (!http.enabled) return [daemon.skipped('http', 'http.enabled is false: the daemon cannot be asked')];
  const host = ['0.0.0.0', '::'].includes(http.host) ? '127.0.0.1' : http.host;
  const base = `${http.tls.cert_file === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${http.port}`;
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

type Get = (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;

/** Any certificate is accepted: this is the daemon's own address, and no secret is sent. */
async function overTls(url: string, { signal }: { readonly signal: AbortSignal }): Promise<Response> {
  const { get } = await import('node:https');
  return new Promise((resolve, reject) => {
    get(url, { signal, rejectUnauthorized: false }, (answer) => {
      text(answer).then((body) => resolve(new Response(body, { status: answer.statusCode ?? 0 })), reject);
    }).once('error', reject);
  });
}

/** The tokens of the API, as the daemon reads them. */
export function diagnoseTokens(config: Config): readonly Diagnosis[] {
  const { enabled, api, token_file: file } = config.http;
  if (!enabled || !api || file === undefined) return [];
  try {
    const tokens = readTokenFile(config);
    const operators = tokens.filter(({ role }) => role === 'operator').length;
    return [
      daemon.ok(
        'tokens',
        `${counted(tokens.length, 'token')} of the API, ${operators} with the role operator`,
      ),
    ];
  } catch (error) {
    if (!(error instanceof FieldwatchError)) throw error;
    return [
      daemon.fault({ subject: 'tokens', detail: error.message, remedy: error.remedy ?? 'see docs/api.md' }),
    ];
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
