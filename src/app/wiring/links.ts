import type { LinkDeps } from '../../api/deps.ts';
import type { Config } from '../../config/schema/index.ts';
import { LEAST_SECRET } from '../../config/schema/http.ts';
import { signAction } from '../../lib/action-token.ts';
import { secretNow } from '../../lib/secret-file.ts';
import type { Clock } from '../../ports/time.ts';
import type { Db } from '../../queries/db.ts';
import { type SinkDeps, textContext } from '../../sinks/sink.ts';
import type { Context } from '../context.ts';
import { actOnAlert } from '../operator/act-on-alert.ts';
import { textDefaults } from './texts.ts';

const isConfigured = ({ http: { links } }: Config): boolean =>
  links.secret !== undefined || links.secret_file !== undefined;

/** Read at each use: a new secret makes old links invalid. */
function secretOf({ http: { links } }: Config): string | undefined {
  try {
    const secret = secretNow(links.secret, links.secret_file);
    return secret !== undefined && secret.length >= LEAST_SECRET ? secret : undefined;
  } catch {
    return undefined;
  }
}

/** The links of a notification: for one alert, one action and one use, until they expire. */
export function linksOf(config: Config, clock: Pick<Clock, 'nowMs'>): Pick<SinkDeps, 'linksOf'> {
  const { public_url: url, links } = config.http;
  if (!isConfigured(config) || url === undefined) return {};
  const base = url.replace(/\/+$/, '');
  return {
    linksOf({ alertId, seq }, sink) {
      const secret = secretOf(config);
      if (secret === undefined) return undefined;
      const expiresMs = clock.nowMs() + links.expire;
      const link = (action: 'ack' | 'silence') =>
        `${base}/act/${signAction({ alertId, action, sink, seq, expiresMs }, secret)}`;
      return { acknowledge: link('ack'), silence: link('silence') };
    },
  };
}

/** The daemon executes a command within a second. */
const PATIENCE_MS = 5000;

export function linkDepsOf(
  { config, live, clock }: Pick<Context, 'config' | 'live' | 'clock'>,
  db: Db,
): LinkDeps | undefined {
  if (!isConfigured(config)) return undefined;
  return {
    secret: () => secretOf(config),
    contextOf(name) {
      const sink = live.config.notify.sinks.find((each) => each.name === name);
      return textContext(sink ?? {}, { texts: textDefaults(live.config), clock });
    },
    act: (request) => actOnAlert(db, request, { clock, patienceMs: PATIENCE_MS }),
  };
}
