import type pg from 'pg';
import { messageOf } from '../../../core/errors.ts';
import { backoffMs } from '../../../lib/backoff.ts';
import { PollLoop } from '../../../lib/poll-loop.ts';
import type { Logger } from '../../../ports/metrics.ts';
import type { Clock } from '../../../ports/time.ts';
import type { DatabaseOptions } from '../connection/connection.ts';
import { Connector } from '../connection/connector.ts';
import { HANDOVER_CHANNEL } from './handover-store.ts';
import { SHARDS_CHANNEL } from './lease-store.ts';
import { cut } from '../connection/query-timeout.ts';

export interface GroupListenerDeps {
  /** Another session: only what comes from there shows that notifications arrive. */
  readonly db: Pick<pg.Pool, 'query'>;
  /** Readings were handed over. */
  readonly onHandover: () => void;
  /** Shards were released. */
  readonly onShards: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PROBE_CHANNEL = 'fieldwatch_probe';
const RETRY = { baseMs: 1000, capMs: 30_000 };
/** A pooler that shares sessions between transactions delivers nothing: it is probed regularly. */
const PROBE_EVERY_MS = 60_000;

/**
 * Notifications of a share group, on a session of its own. They only reduce latency and polling, and nothing depends on
 * them: where none arrive, `active` is false, and the tables are read at short intervals.
 */
export class GroupListener {
  private readonly group: string;
  private readonly connector: Connector;
  private readonly deps: GroupListenerDeps;
  private client: pg.Client | undefined;
  private delivering = false;
  private attempt = 0;
  private readonly loop: PollLoop;
  private readonly hangUp = new AbortController();

  constructor(group: string, options: DatabaseOptions, deps: GroupListenerDeps) {
    this.group = group;
    this.connector = new Connector(options);
    this.deps = deps;
    this.loop = new PollLoop({ clock: deps.clock, everyMs: PROBE_EVERY_MS, run: () => this.check() });
  }

  /** A notification that was sent from another session has arrived over this connection. */
  get active(): boolean {
    return this.client !== undefined && this.delivering;
  }

  start(): void {
    void this.loop.now();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.hangUp.abort();
    void this.loop.stop();
    const { client } = this;
    this.client = undefined;
    // The socket is closed and not the session ended: nothing is under way, and an unresponsive server must not delay a stop.
    if (client !== undefined) cut(client);
  }

  /** Connects, or probes until notifications arrive. */
  private async check(): Promise<number | void> {
    if (this.client !== undefined) return this.delivering ? undefined : this.probe().catch(() => undefined);
    try {
      const client = await this.connector.open(this.hangUp.signal);
      client.on('notification', (message) => this.receive(message));
      client.on('error', () => this.lost(client));
      client.on('end', () => this.lost(client));
      this.client = client;
      for (const channel of [HANDOVER_CHANNEL, SHARDS_CHANNEL, PROBE_CHANNEL])
        await client.query(`LISTEN ${channel}`);
      this.attempt = 0;
      await this.probe();
    } catch (error) {
      if (this.hangUp.signal.aborted) return;
      this.deps.logger.debug({ error: messageOf(error) }, 'no notifications of the share group, retrying');
      const { client } = this;
      this.client = undefined;
      if (client !== undefined) cut(client);
      return backoffMs(this.attempt++, RETRY, Math.random);
    }
  }

  /** Whether notifications arrive; the result comes by `receive`. */
  private async probe(): Promise<void> {
    await this.deps.db.query('SELECT pg_notify($1, $2)', [PROBE_CHANNEL, this.group]);
  }

  private receive({ channel, payload }: pg.Notification): void {
    if (payload !== this.group) return;
    this.delivering = true;
    if (channel === HANDOVER_CHANNEL) this.deps.onHandover();
    if (channel === SHARDS_CHANNEL) this.deps.onShards();
  }

  private lost(client: pg.Client | undefined): void {
    if (client === undefined || client !== this.client) return;
    this.client = undefined;
    this.delivering = false;
    this.loop.soon(RETRY.baseMs);
  }
}
