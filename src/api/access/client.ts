import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Where a request comes from, as far as it can be believed. */
export interface Client {
  readonly address: string;
  /** As the browser has it: name and port. Lower case; undefined: absent, or not a host. */
  readonly host: string | undefined;
  readonly secure: boolean;
  /** A proxy forwarded the request: the address of the connection is not the client's. */
  readonly forwarded: boolean;
}

export interface Arrival {
  readonly headers: IncomingHttpHeaders;
  /** Address of the connection. */
  readonly peer: string;
  readonly encrypted: boolean;
}

/** Reads clients of requests; what a proxy says counts where its address is trusted. */
export function clientReader(trustedProxies: readonly string[]): (arrival: Arrival) => Client {
  const trusted = new BlockList();
  for (const each of trustedProxies) {
    const [address = '', bits] = each.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 6 ? 'ipv6' : 'ipv4');
  };
  return ({ headers, peer, encrypted }) => {
    const direct = plain(peer);
    const forwarded = FORWARDING.some((name) => headers[name] !== undefined);
    if (!isTrusted(direct))
      return { address: direct, host: hostOf(headers.host), secure: encrypted, forwarded };
    // The nearest proxy comes last: the first address from the end that is no proxy of ours is the client's.
    const hops = listOf(headers['x-forwarded-for']).map(plain);
    const address = hops.findLast((hop) => !isTrusted(hop)) ?? hops[0] ?? direct;
    const [protocol] = listOf(headers['x-forwarded-proto']);
    const [host] = listOf(headers['x-forwarded-host']);
    return {
      address,
      host: hostOf(host ?? headers.host),
      secure: protocol === undefined ? encrypted : protocol.toLowerCase() === 'https',
      forwarded: true,
    };
  };
}

const FORWARDING = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'x-forwarded-host', 'via'] as const;

const listOf = (header: string | readonly string[] | undefined): readonly string[] =>
  [header ?? []]
    .flat()
    .join(',')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

/** IPv4 as such, where a socket of IPv6 names it. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const hostOf = (header: string | undefined): string | undefined => {
  const host = header?.toLowerCase();
  return host !== undefined && /^(?:\[[\da-f:.]+\]|[a-z\d._-]+)(?::\d{1,5})?$/.test(host) ? host : undefined;
};

/** Name or address of a host, without port, brackets and the dot of the root. */
export const nameOf = (host: string): string =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
