import { hostname } from 'node:os';
import { startHttp } from '../../adapters/http/server.ts';
import { Tokens } from '../../api/access/tokens.ts';
import { isLoopback } from '../../core/loopback.ts';
import type { Context, HttpListener } from '../context.ts';
import { checksOf, isAlive } from '../health.ts';
import { readTokenFile } from '../token-file.ts';
import { openApi } from './api.ts';

/** Health, metrics and the API over HTTP; undefined where it is switched off. */
export async function openHttp(context: Omit<Context, 'http'>): Promise<HttpListener | undefined> {
  const { config, clock, logger, metrics, cleanup, writer } = context;
  const { http } = config;
  if (!http.enabled) return undefined;
  const { host, port, tls } = http;
  const tokens = new Tokens(readTokenFile(config));
  const access = {
    ...{ tokens, loopback: isLoopback(host), allowedHosts: [...http.allowed_hosts, ...publicHost(http)] },
    ...{ trustedProxies: http.trusted_proxies, basePath: http.base_path.replace(/\/+$/, '') },
    ...{ machine: hostname(), clientId: config.mqtt.client_id },
  };
  const files =
    tls.cert_file === undefined || tls.key_file === undefined
      ? undefined
      : { certFile: tls.cert_file, keyFile: tls.key_file };
  const server = await startHttp(
    { host, port, tls: files },
    {
      metrics,
      logger,
      readiness: checksOf(context),
      alive: () => isAlive(writer, clock.monotonicMs()),
      rest: http.api ? openApi(context, access) : undefined,
    },
  );
  cleanup.add('http', () => server.stop());
  return {
    port: server.port,
    reread: () => {
      const list = readTokenFile(config);
      const renewTls = server.rereadTls();
      return () => {
        tokens.replace(list);
        renewTls();
      };
    },
  };
}

/** The name under which links are opened. */
const publicHost = ({ public_url: url }: Context['config']['http']): readonly string[] =>
  url === undefined ? [] : [new URL(url).hostname];
