import { createHash } from 'node:crypto';
import { isLoopback } from '../../core/loopback.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { type Caller, ANONYMOUS, type Role, mayUse } from './caller.ts';
import { type Arrival, type Client, clientReader, nameOf } from './client.ts';
import { hostCheck, originFault } from './hosts.ts';
import { RateLimit, addressKey } from './rate-limit.ts';
import { Refusal } from './refusal.ts';
import { type ApiSession, ApiSessions } from './sessions.ts';
import type { Token, Tokens } from './tokens.ts';

export interface AccessOptions {
  readonly tokens: Tokens;
  /** Whether the server listens where only this machine reaches it. */
  readonly loopback: boolean;
  readonly allowedHosts: readonly string[];
  readonly trustedProxies: readonly string[];
  /** With a slash at its beginning and none at its end; empty: the root. */
  readonly basePath: string;
  /** The host name of this machine. */
  readonly machine: string;
  /** Distinguishes the cookies of daemons on one host. */
  readonly clientId: string;
}

interface AccessDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A request, as far as access is concerned. */
export interface Visit {
  readonly client: Client;
  readonly caller: Caller;
  /** The token of the caller; absent where none is required. */
  readonly token: Token | undefined;
  /** The cookie's, if it is one of a session in force. */
  readonly session: (ApiSession & { readonly id: string }) | undefined;
}

/** A page with its parts, and what it asks for when it opens, many times over. */
const REQUESTS = { burst: 500, everyMs: 20 };
/** Unknown tokens of one address. */
const FAILURES = { burst: 10, everyMs: 6000 };
/** Unknown tokens of all addresses that are logged. */
const LOGGED_FAILURES = { burst: 20, everyMs: 60_000 };

/** Access control: host, origin, token or session, role, request rate. */
export class Access {
  readonly #options: AccessOptions;
  readonly #deps: AccessDeps;
  readonly #sessions: ApiSessions;
  readonly #read: (arrival: Arrival) => Client;
  readonly #hosts: ReturnType<typeof hostCheck>;
  readonly #cookie: string;
  readonly #requests: RateLimit;
  readonly #failures: RateLimit;
  readonly #logged: RateLimit;
  readonly #refused: (reason: string) => void;

  constructor(options: AccessOptions, deps: AccessDeps) {
    const { clock, metrics } = deps;
    this.#options = options;
    this.#deps = deps;
    this.#sessions = new ApiSessions(options.tokens, clock);
    this.#read = clientReader(options.trustedProxies);
    this.#hosts = hostCheck(options.allowedHosts, options.machine);
    this.#cookie = `fieldwatch_${createHash('sha256').update(options.clientId).digest('hex').slice(0, 8)}`;
    this.#requests = new RateLimit(REQUESTS, clock);
    this.#failures = new RateLimit(FAILURES, clock);
    this.#logged = new RateLimit(LOGGED_FAILURES, clock);
    const refused = metrics.counter(
      'fieldwatch_api_refused_total',
      'Requests refused by the API before handling, by reason',
      ['reason'],
    );
    this.#refused = (reason) => refused.inc(1, { reason });
    const sessions = metrics.gauge('fieldwatch_api_sessions', 'Sessions of browsers that are logged in');
    metrics.onCollect(() => sessions.set(this.#sessions.size));
  }

  get hasTokens(): boolean {
    return this.#options.tokens.size > 0;
  }

  /** Throws a Refusal, which is the answer. */
  admit(arrival: Arrival & { readonly method: string }, needed: Role | 'public'): Visit {
    const client = this.#read(arrival);
    if (!this.#hosts.isAllowed(client.host)) throw this.#refuse('host', Refusal.wrongHost(client.host));
    const key = addressKey(client.address);
    if (!this.#requests.take(key)) throw this.#refuse('rate', Refusal.tooMany(this.#requests.waitS(key)));
    const { headers, method } = arrival;
    const bearer = bearerOf(headers.authorization);
    const session = bearer === undefined ? this.#sessionOf(headers.cookie) : undefined;
    if (method !== 'GET' && method !== 'HEAD') {
      const fault = originFault(client, headers, this.#hosts.isNamed, session !== undefined);
      if (fault !== undefined) throw this.#refuse('origin', Refusal.wrongOrigin(fault));
    }
    const token = bearer === undefined ? session?.token : this.#bearer(client, bearer);
    const caller = token === undefined ? this.#anonymous(client) : { role: token.role, name: token.name };
    if (!mayUse(caller, needed)) throw this.#refuse('role', Refusal.role(caller, needed, this.hasTokens));
    return { client, caller, token, session };
  }

  /** Whether what the visit has shown is still in force: for an answer that takes long. */
  stillIn({ token, session }: Visit): boolean {
    if (session !== undefined && this.#sessions.find(session.id) === undefined) return false;
    return token === undefined || this.#options.tokens.current(token)?.role === token.role;
  }

  /** The cookie of a new session. */
  login(
    { client }: Visit,
    candidate: string,
  ): { readonly token: Token; readonly expiresAtMs: number; readonly cookie: string } {
    const key = addressKey(client.address);
    const waitS = this.#failures.waitS(key);
    // Before the comparison: guessing yields nothing more.
    if (waitS > 0) throw this.#refuse('rate', Refusal.tooMany(waitS));
    const token = this.#options.tokens.find(candidate);
    if (token === undefined) throw this.#unknown(client);
    const { id, expiresAtMs, lifeS } = this.#sessions.open(token);
    this.#deps.logger.info({ by: token.name, role: token.role, address: client.address }, 'logged in');
    return { token, expiresAtMs, cookie: this.#cookieOf(client, id, lifeS) };
  }

  /** The cookie that removes the browser's. */
  logout({ client, session }: Visit): string {
    if (session !== undefined) this.#sessions.close(session.id);
    return this.#cookieOf(client, '', 0);
  }

  /**
   * Without a token: clients on this machine may read, unless tokens from elsewhere could hide behind the address, for
   * a proxy on this machine has it, too.
   */
  #anonymous(client: Client): Caller {
    const here =
      this.#options.loopback &&
      !client.forwarded &&
      isLoopback(client.address) &&
      isLoopback(nameOf(client.host ?? ''));
    return here ? { role: 'viewer', name: null } : ANONYMOUS;
  }

  #bearer(client: Client, candidate: string): Token {
    const token = this.#options.tokens.find(candidate);
    if (token !== undefined) return token;
    throw this.#unknown(client);
  }

  #unknown(client: Client): Refusal {
    const key = addressKey(client.address);
    if (!this.#failures.take(key)) return this.#refuse('rate', Refusal.tooMany(this.#failures.waitS(key)));
    if (this.#logged.take('all'))
      this.#deps.logger.warn({ address: client.address }, 'unknown token, not in http.token_file');
    return this.#refuse('token', Refusal.unknownToken());
  }

  #refuse(reason: string, refusal: Refusal): Refusal {
    this.#refused(reason);
    return refusal;
  }

  #sessionOf(header: string | undefined): Visit['session'] {
    const id = header
      ?.split(';')
      .map((each) => each.trim().split('='))
      .find(([name]) => name === this.#cookie)?.[1];
    if (id === undefined || id === '') return undefined;
    const session = this.#sessions.find(id);
    return session === undefined ? undefined : { ...session, id };
  }

  #cookieOf({ secure }: Client, id: string, lifeS: number): string {
    return [
      `${this.#cookie}=${id}`,
      `Path=${this.#options.basePath}/`,
      `Max-Age=${lifeS}`,
      'HttpOnly',
      'SameSite=Strict',
      ...(secure ? ['Secure'] : []),
    ].join('; ');
  }
}

const bearerOf = (header: string | undefined): string | undefined =>
  header === undefined ? undefined : (/^Bearer +(\S+)$/i.exec(header.trim())?.[1] ?? '');
