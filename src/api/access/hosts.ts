import { isIP } from 'node:net';
import { isLoopback } from '../../core/loopback.ts';
import { type Client, nameOf } from './client.ts';

/**
 * The names under which the daemon may be asked. A page of another site can give its own name the address of this machine
 * (DNS rebinding), and its browser then sends the name: it is not among these. An address cannot be rebound.
 */
export function hostCheck(
  allowedHosts: readonly string[],
  machine: string,
): {
  readonly isAllowed: (host: string | undefined) => boolean;
  readonly isNamed: (host: string) => boolean;
} {
  const names = new Set(
    allowedHosts.filter((each) => !each.startsWith('*.')).map((each) => each.toLowerCase()),
  );
  const suffixes = allowedHosts
    .filter((each) => each.startsWith('*.'))
    .map((each) => each.slice(1).toLowerCase());
  const isNamed = (host: string) => {
    const name = nameOf(host.toLowerCase());
    return names.has(name) || suffixes.some((suffix) => name.endsWith(suffix));
  };
  return {
    isNamed,
    isAllowed: (host) => {
      if (host === undefined) return false;
      const name = nameOf(host);
      return isLoopback(name) || isIP(name) !== 0 || name === machine.toLowerCase() || isNamed(host);
    },
  };
}

/** Why a write is not from a page of ours; undefined: it is, or from no page at all. */
export function originFault(
  { host = '' }: Client,
  headers: {
    readonly origin?: string | undefined;
    readonly 'sec-fetch-site'?: string | string[] | undefined;
  },
  isNamed: (host: string) => boolean,
  /** A cookie is sent by the browser whatever page asks: then the browser has to say which one does. */
  byCookie: boolean,
): string | undefined {
  const { origin, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return `the browser says that the request is ${String(site)}`;
  if (origin === undefined)
    return byCookie && site === undefined ? 'the request has a session, and no origin' : undefined;
  const from = originHost(origin);
  if (from !== undefined && (from === withoutDefaultPort(host) || isNamed(from))) return undefined;
  return `the origin is ${origin.slice(0, 200)}, and the page is at ${host}`;
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host || undefined;
  } catch {
    return undefined;
  }
}

const withoutDefaultPort = (host: string): string => host.replace(/:(?:80|443)$/, '');
