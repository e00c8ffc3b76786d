import type Net from 'node:net';
import { isLoopback } from '../../core/loopback.ts';
import { duration } from '../../core/schema/common.ts';
import {
  certificatePair,
  flag,
  port,
  readFilePath,
  secret,
  section,
  text,
  url,
  whole,
} from '../../core/schema/fields.ts';
import * as z from '../../core/schema/zod.ts';
import { loadLibrary } from '../../lib/load-library.ts';

const host = z
  .string()
  .regex(
    /^(?:\*\.)?[a-z\d_-]+(?:\.[a-z\d_-]+)*$/i,
    'is no host name; expected one without port, or *.example.org',
  );

const proxy = z.string().refine(isNetwork, {
  error: 'is neither an address nor a network; expected 10.0.0.7 or 10.0.0.0/24',
});

function isNetwork(value: string): boolean {
  const [address = '', bits, more] = value.split('/');
  const { isIP } = loadLibrary('node:net') as typeof Net;
  const version = isIP(address);
  if (version === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

interface Exposed {
  readonly enabled?: unknown;
  readonly api?: unknown;
  readonly host?: unknown;
  readonly token_file?: unknown;
}

/** Callers from elsewhere have to authenticate. */
const isGuarded = ({ enabled, api, host: address, token_file: file }: Exposed): boolean =>
  enabled !== true ||
  api !== true ||
  typeof address !== 'string' ||
  isLoopback(address) ||
  file !== undefined;

/** A secret that cannot be guessed. */
export const LEAST_SECRET = 16;

export const httpSchema = section(
  {
    enabled: flag(true, 'serve /livez, /readyz and /metrics, and the API with its page'),
    host: text('address to listen on; /livez, /readyz and /metrics ask for no token').default('127.0.0.1'),
    port: port(9464, 'port to listen on; 0: any free port', true),
    api: flag(
      true,
      'serve the page and the API below /api/v1; on 127.0.0.1 read-only without a token, elsewhere with tokens only',
    ),
    alert_series: whole(
      { min: 0, max: 100_000, fallback: 1000 },
      'open alerts that /metrics has as series fieldwatch_alert_state; beyond it the most severe, and the others are counted; 0: none',
    ),
    token_file: readFilePath(
      'file of tokens: lines of name, role (viewer or operator) and token; read again at a reload; not to be readable by others',
    ).optional(),
    allowed_hosts: z
      .array(host)
      .max(100)
      .default([])
      .describe(
        'names under which the page is opened, besides localhost, addresses and the name of this machine; *.example.org: all below',
      ),
    base_path: text('path below which a proxy serves the page: /fieldwatch')
      .regex(/^\/(?:[\w.~-]+\/?)*$/, 'is no path; expected one such as /fieldwatch')
      .default('/'),
    trusted_proxies: z
      .array(proxy)
      .max(100)
      .default([])
      .describe(
        'addresses or networks of proxies, whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed',
      ),
    tls: section(
      {
        cert_file: readFilePath(
          'PEM file of the certificate, with those between it and its authority',
        ).optional(),
        key_file: readFilePath('PEM file of its key').optional(),
      },
      'TLS, for health and metrics too; both files are read again at a reload',
    )
      .superRefine(certificatePair)
      .prefault({}),
    public_url: url(
      ['http', 'https'],
      'where a browser anywhere reaches this server, for links in notifications: https://sensors.example.org',
    ).optional(),
    links: section(
      {
        secret: secret(
          'signs links that acknowledge or silence an alert, 16 characters or more; the same for all daemons of a share group',
        ).optional(),
        secret_file: readFilePath('file that holds the secret; a trailing newline is cut').optional(),
        expire: duration({ min: '5m', max: '30d' }).prefault('24h').describe('how long a link may be used'),
      },
      'links in notifications by which an alert is acknowledged or silenced without a login; none without a secret',
    ).prefault({}),
  },
  'health, metrics, the API and the page over HTTP',
)
  .superRefine(({ public_url: publicUrl, links, enabled, api }, context) => {
    if (links.secret === undefined && links.secret_file === undefined) return;
    if (publicUrl === undefined)
      context.addIssue({ code: 'custom', path: ['public_url'], message: 'is missing: links need it' });
    if (!enabled || !api)
      context.addIssue({ code: 'custom', path: ['links'], message: 'need http.enabled and http.api' });
    if (links.secret !== undefined && links.secret.length < LEAST_SECRET)
      context.addIssue({
        code: 'custom',
        path: ['links', 'secret'],
        message: `is shorter than ${LEAST_SECRET} characters`,
      });
  })
  .refine(isGuarded, {
    path: ['host'],
    error:
      'leads beyond this machine, and the page and the API would be open to every client that reaches it; set http.token_file, or http.api: false for health and metrics alone',
    when: () => true,
  });
