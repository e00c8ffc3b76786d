import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { type TestDatabase, openTestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { describeWith } from '../support/tools.ts';

const STEP_MS = 200;
const STEPS = 60;
const EVENTS = ['firing', 'escalated', 'deescalated', 'resolved'];
/** What one test leaves behind. Ids are not given again: nothing that is kept by id is about another sensor later. */
const EMPTY = 'TRUNCATE sensors, share_members, alert_shards, alert_handover, alert_outbox CASCADE';
const EPISODES = `
SELECT s.key, a.alert_type, a.time, a.started_at, a.value, a.threshold, a.severity, a.resolved_at, a.resolved_value,
       a.peak_value, a.resolve_reason, a.flapping, a.backfilled
  FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id WHERE a.alert_type NOT LIKE '%no_data' ORDER BY 1, 2, 3`;

/** Breaches that come and go, with a delay that some outlast, and an escalation; shifted for each sensor. */
function temperature(sensor: number, step: number): number {
  const at = (step + sensor * 3) % STEPS;
  if (at >= 8 && at < 12) return 31; // over before `for` is
  if (at >= 16 && at < 36) return at >= 28 && at < 31 ? 45 : 32; // fires, escalates
  if (at >= 44 && at < 58) return 33; // fires again
  return 25 + (at % 3);
}

describeWith('mosquitto')('statement 21: the alerts of two daemons of one share group', () => {
  let deployment: Deployment;
  let control: TestDatabase;
  let publisher: MqttClient;
  let daemons: Daemon[] = [];
  let crew: Daemon[] = [];
  /** The way of each of them to the database. */
  const links: TcpProxy[] = [];
  let beat: AbortController;
  let latenessS = 0;

  beforeAll(async () => {
    deployment = await openDeployment();
    control = await openTestDatabase({ migrated: true });
    publisher = await mqtt.connectAsync(deployment.broker.url, { protocolVersion: 5 });
  });
  beforeEach(() => {
    beat = new AbortController();
  });
  afterEach(async () => {
    beat.abort();
    await Promise.all(daemons.map((daemon) => daemon.remove()));
    await Promise.all(links.splice(0).map((link) => link.close()));
    await deployment.rows(EMPTY);
    await query(control.url, EMPTY);
  });
  afterAll(async () => {
    await publisher?.endAsync(true);
    await deployment?.close();
    await control?.close();
  });

  const config = (id: string, url: string, lateness: string, more: string) => `
mqtt: { url: "${deployment.broker.url}", client_id: ${id}${more} }
database: { url: "${url}", migrate_at_start: false }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts:
  allowed_lateness: ${lateness}
  metrics:
    temperature: { max: 30, for: 2s, levels: [{ severity: critical, max: 40, for: 0s }] }
    humidity: { no_data_after: 6s }
scheduler: { enabled: false }
http: { enabled: false }
`;

  /** Both, and one alone with a database of its own, which gets every message, too. */
  async function start(seconds: number): Promise<Daemon[]> {
    latenessS = seconds;
    const lateness = `${seconds}s`;
    const url = new URL(deployment.database.url);
    const through = async (): Promise<string> => {
      const link = await TcpProxy.start(Number(url.port || 5432), url.hostname);
      links.push(link);
      return Object.assign(new URL(url), { host: `127.0.0.1:${link.port}` }).href;
    };
    daemons = await Promise.all([
      deployment.daemon(config('alone', control.url, lateness, '')),
      deployment.daemon(config('member-1', await through(), lateness, ', share_group: crew')),
      deployment.daemon(config('member-2', await through(), lateness, ', share_group: crew')),
    ]);
    for (const daemon of daemons) await daemon.launch();
    crew = daemons.slice(1);
    await eventually('all shards are owned', all);
    return crew;
  }

  /** The shards that each member owns that is there. */
  const owners = async () =>
    (
      await deployment.rows<{ id: string; shards: number }>(
        `SELECT split_part(owner, ' ', 1) AS id, count(*)::int AS shards
           FROM alert_shards JOIN share_members m ON m.member = owner AND m.leased_until > now() GROUP BY 1`,
      )
    ).sort((a, b) => (a.id < b.id ? -1 : 1));
  const all = async () => (await owners()).reduce((sum, { shards }) => sum + shards, 0) === 64;
  const nameOf = (daemon: Daemon | undefined) => `member-${crew.indexOf(daemon as Daemon) + 1}`;
  const otherThan = (daemon: Daemon) => crew.find((each) => each !== daemon);
  const hasLogged = (daemon: Daemon | undefined, words: string) =>
    daemon?.log.some(({ msg }) => msg.startsWith(words)) === true;
  const linkOf = (daemon: Daemon): TcpProxy => links[crew.indexOf(daemon)] as TcpProxy;
  /** The one that evaluates most. */
  const owner = async (): Promise<Daemon> => {
    const [most] = (await owners()).sort((a, b) => b.shards - a.shards);
    const daemon = crew[most?.id === 'member-1' ? 0 : 1];
    if (daemon === undefined) throw new Error('no member owns a shard');
    return daemon;
  };
  /** The other one has taken all its shards over. */
  const takenOver = (from: Daemon) => async () => {
    const found = (await owners()).find(({ id }) => id === nameOf(otherThan(from)));
    return found?.shards === 64;
  };

  const send = (device: string, metrics: object, ts = Date.now()) =>
    publisher.publishAsync(`sensors/lab/${device}/readings`, JSON.stringify({ ts, ...metrics }), { qos: 1 });

  /** A sensor that keeps sending; the broker spreads it over both. */
  async function pulse(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await send('steady', { humidity: 50 });
      await sleep(300);
    }
  }

  /** The timeline, in real time, since the broker chooses the member; `meanwhile` happens in the middle of it. */
  async function play(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    void pulse(beat.signal);
    for (let n = 0; n < 4; n++) await send('quiet', { humidity: 40 });
    let other: Promise<void> | undefined;
    for (let step = 0; step < STEPS; step++) {
      for (let sensor = 0; sensor < 3; sensor++)
        await send(`t${sensor}`, { temperature: temperature(sensor, step) });
      if (step === STEPS / 3) other = meanwhile();
      await sleep(STEP_MS);
    }
    await other;
    await eventually('all is stored, and handed on', async () => (await under()) === STEPS * 3);
    // Whatever waits for earlier ones is released by one that is later.
    const laterMs = Date.now() + latenessS * 1000 + 1000;
    for (let sensor = 0; sensor < 3; sensor++) await send(`t${sensor}`, { temperature: 20 }, laterMs);
  }

  /** Readings of the timeline that are stored and do not wait for the owner of their shard. */
  async function under(): Promise<number> {
    const [found] = await deployment.rows<{ stored: number }>(
      `SELECT count(*)::int AS stored FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id
        WHERE s.key LIKE 't_' AND NOT EXISTS (SELECT 1 FROM alert_handover)`,
    );
    return found?.stored ?? 0;
  }

  let before: number | undefined;
  const receivesMore = async () => {
    const stored = await deployment.count('sensor_readings');
    before ??= stored;
    return stored > before + 20;
  };

  async function query(url: string, text: string): Promise<object[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<object>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** The episodes of the one that is alone, every one of them over, and nothing else. */
  async function sameAsAlone(): Promise<void> {
    const over = (rows: object[]) =>
      rows.length >= 9 && rows.every((row) => (row as { resolved_at: Date | null }).resolved_at !== null);
    await eventually('all is over', async () => over(await query(control.url, EPISODES)), {
      withinMs: 90_000,
    });
    const alone = await query(control.url, EPISODES);
    await eventually(
      'all is over',
      async () =>
        (await deployment.rows(EPISODES)).length >= alone.length && over(await deployment.rows(EPISODES)),
      { withinMs: 90_000 },
    );
    expect(await deployment.rows(EPISODES)).toEqual(alone);
  }

  const silent = () =>
    deployment.rows<{ key: string; over: boolean }>(
      `SELECT s.key, resolved_at IS NOT NULL AS over FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id
        WHERE alert_type = 'humidity_no_data' ORDER BY 1, 2`,
    );

  /** The one that fell silent, once, and it alone. */
  async function silenceOfOne(): Promise<void> {
    await eventually('the silence is noticed', async () => (await silent()).length > 0);
    await send('quiet', { humidity: 41 });
    await eventually('its end, too', async () => (await silent()).every(({ over }) => over));
    expect(await silent()).toEqual([{ key: 'quiet', over: true }]);
  }

  /** How often each line of the outbox was logged, by any member. `early`: some may have left before their rows, and had none. */
  async function linesPerNotification(early = false): Promise<number[]> {
    await eventually('all lines are out', async () => {
      const waiting = await deployment.rows('SELECT 1 FROM alert_outbox WHERE sent_at IS NULL');
      return waiting.length === 0;
    });
    const lines = new Map<string, number>();
    for (const { event, alert_id: id, seq } of crew.flatMap(({ log }) => log))
      if (EVENTS.includes(String(event)))
        lines.set([id, seq].join(' '), (lines.get([id, seq].join(' ')) ?? 0) + 1);
    const outbox = await deployment.rows<{ name: string }>(
      `SELECT alert_id || ' ' || seq AS name FROM alert_outbox`,
    );
    if (!early) expect(lines.size).toBe(outbox.length);
    return outbox.map(({ name }) => lines.get(name) ?? 0);
  }

  it('are those of a single daemon, whichever of them the broker sends a reading to', async () => {
    await start(2);
    const even = async () => (await owners()).map(({ shards }) => shards).join() === '32,32';
    await eventually('the other one has got half of them', even);
    await play();
    await sameAsAlone();
    await silenceOfOne();
    expect(new Set(await linesPerNotification())).toEqual(new Set([1]));
    for (const id of ['member-1', 'member-2'])
      expect(deployment.broker.count(`Received PUBACK from ${id}`)).toBeGreaterThan(20);
    beat.abort();
    await eventually(
      'nothing waits',
      async () => (await deployment.rows('SELECT 1 FROM alert_handover')).length === 0,
    );
  }, 300_000);

  // Each of them is away for longer than its lease of ten seconds, and than readings wait for earlier ones.
  const LATENESS_S = 5;

  it('are the same with the one that evaluates killed in the middle, and started again', async () => {
    await start(LATENESS_S);
    await play(async () => {
      const killed = await owner();
      killed.signal('SIGKILL');
      await killed.ended();
      await eventually('the other one has taken over', takenOver(killed));
      await killed.launch();
    });
    await eventually('all shards are owned', all);
    await sameAsAlone();
    await silenceOfOne();
    expect(Math.min(...(await linesPerNotification(true)))).toBe(1);
  }, 300_000);

  it('are the same with the one that evaluates frozen for longer than its lease', async () => {
    await start(LATENESS_S);
    let former: Daemon | undefined;
    await play(async () => {
      former = await owner();
      former.signal('SIGSTOP');
      await eventually('the other one has taken over', takenOver(former));
      former.signal('SIGCONT');
    });
    await eventually('it gives way', () => hasLogged(former, 'alert shards lost to another member'));
    await sameAsAlone();
    await silenceOfOne();
    expect(Math.min(...(await linesPerNotification(true)))).toBe(1);
  }, 300_000);

  it('are the same with the one that evaluates cut off from the database: what it made of readings gives way', async () => {
    await start(LATENESS_S);
    let former: Daemon | undefined;
    await play(async () => {
      const cut = await owner();
      former = cut;
      linkOf(cut).refuse();
      linkOf(cut).cut();
      await eventually('it notices', () => hasLogged(cut, 'database unreachable'));
      await eventually('the other one has taken over', takenOver(cut));
      linkOf(former).resume();
    });
    await eventually('it gives way', () => hasLogged(former, 'alert shards lost to another member'));
    await sameAsAlone();
    await silenceOfOne();
    expect(Math.min(...(await linesPerNotification(true)))).toBe(1);
  }, 300_000);

  it('are the same with the one that evaluates stopped and started again: the other one goes on at once', async () => {
    await start(2);
    await play(async () => {
      const stopped = await owner();
      expect(await stopped.end('SIGTERM')).toBe(0);
      const [member] = await deployment.rows('SELECT 1 FROM share_members WHERE member LIKE $1', [
        `${nameOf(stopped)} %`,
      ]);
      expect(member).toBeUndefined();
      await eventually('the other one has taken over', takenOver(stopped));
      await eventually('it has stored more', receivesMore);
      await stopped.launch();
      expect(stopped.log.findLast(({ msg }) => msg === 'mqtt: connected')?.['session_present']).toBe(true);
    });
    await sameAsAlone();
    await silenceOfOne();
    expect(new Set(await linesPerNotification())).toEqual(new Set([1]));
  }, 300_000);
});
