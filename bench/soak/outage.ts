import mqtt, { type MqttClient } from 'mqtt';
import { pause } from '../../test/support/eventually.ts';
import { LIMIT, type SoakDeps, type SoakStage, setStage } from './stage.ts';
import type { Line } from './verdict.ts';

const WARM_UP_SECONDS = 5;
/** Until the daemon has noticed that the database is away, half of the breaches happen: those that are hard to report in time. */
const NOTICED_SECONDS = 6;
const BREACHES = 24;
const ALERT_LIMIT_MS = 1000;
const POLL_EVERY_MS = 1000;
const MB = 1024 ** 2;

const deviceOf = (n: number) => `soak-${n}`;

/** State of the daemon, second by second. */
class Watch {
  rssBytes = 0;
  disconnects = 0;
  readonly alertedAtMs = new Map<string, number>();
  private readonly stage: SoakStage;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(stage: SoakStage) {
    this.stage = stage;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.look();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.look();
      await pause(POLL_EVERY_MS, signal);
    }
  }

  private async look(): Promise<void> {
    const { rssBytes, disconnects, alerts } = await this.stage.look(1);
    this.rssBytes = Math.max(this.rssBytes, rssBytes);
    this.disconnects = disconnects;
    // The first line of each: the one that reports the alert.
    for (const { sensorKey, atMs } of alerts)
      if (!this.alertedAtMs.has(sensorKey)) this.alertedAtMs.set(sensorKey, atMs);
  }
}

/** The database is away for a long time, and comes back. */
export async function soakOutage(deps: SoakDeps): Promise<readonly Line[]> {
  const { options, progress, signal } = deps;
  const { seconds, rate, drainSeconds } = options;
  const stage = await setStage(deps);
  const alarm = await mqtt.connectAsync(stage.broker.url, { protocolVersion: 5 });
  deps.cleanup.add('alarm publisher', () => alarm.endAsync(true));
  // Known to the daemon before the outage: an unknown device has to wait for the database.
  for (let n = 0; n < BREACHES; n++) await publish(alarm, n, 20);
  const warm = await stage.publish(WARM_UP_SECONDS);
  const warmed = warm.messages + BREACHES;
  if (!(await storedWithin(stage, warmed, 60, signal))) throw new Error('the warm-up was not stored');
  const watch = new Watch(stage);
  watch.start();
  progress(`the database is away for ${seconds} s at ${rate} messages/s`);
  stage.link.refuse();
  stage.link.cut();
  const publishing = stage.publish(seconds);
  const breached = await breaches(alarm, seconds, signal);
  const { messages } = await publishing;
  const untilMs = Date.now();
  // Draining with the load going on is what a fleet does.
  const further = options.alerting > 0 ? stage.publish(drainSeconds) : undefined;
  stage.link.resume();
  const backMs = performance.now();
  progress('the database is back');
  const sent = warmed + messages + breached.length;
  const all = await storedWithin(stage, sent, drainSeconds, signal, untilMs);
  const drainS = (performance.now() - backMs) / 1000;
  const more = (await further)?.messages ?? 0;
  if (more > 0) await storedWithin(stage, sent + more, drainSeconds, signal);
  await watch.stop();
  const stored = (await stage.stored()) - more;
  await stage.stopDaemon();
  const lateness = breached.map(({ n, atMs }) => (watch.alertedAtMs.get(deviceOf(n)) ?? NaN) - atMs);
  return [
    { what: 'messages sent', value: sent, unit: '' },
    { what: 'messages not stored', value: sent - stored, unit: '', limit: 0 },
    { what: 'until all was stored', value: all ? drainS : NaN, unit: 's', limit: drainSeconds },
    { what: 'connections to the broker lost', value: watch.disconnects, unit: '', limit: 0 },
    { what: 'memory (RSS, most)', value: watch.rssBytes / MB, unit: 'MB', limit: options.maxRssMb },
    worst('alert line after its reading, most, at first', lateness.slice(0, BREACHES / 2)),
    worst('alert line after its reading, most, then', lateness.slice(BREACHES / 2)),
  ];
}

/** A line that never came is not a number: more than any limit. */
const worst = (what: string, lateness: readonly number[]): Line => ({
  ...{ what, value: Math.max(...lateness), unit: 'ms', limit: ALERT_LIMIT_MS },
});

/** A sensor breaches its limit, then another: from the first moment on, close together, and then spread over the time. */
async function breaches(client: MqttClient, seconds: number, signal: AbortSignal) {
  const published: { readonly n: number; readonly atMs: number }[] = [];
  const half = BREACHES / 2;
  const atFirst = Math.min(NOTICED_SECONDS, seconds / 2);
  for (let n = 0; n < BREACHES; n++) {
    const atMs = Date.now();
    await publish(client, n, LIMIT + 1);
    published.push({ n, atMs });
    await pause(((n < half ? atFirst : seconds - atFirst) * 1000) / half, signal);
  }
  return published;
}

async function publish(client: MqttClient, n: number, temperature: number): Promise<void> {
  const payload = JSON.stringify({ ts: Date.now(), temperature });
  await client.publishAsync(`sensors/lab/${deviceOf(n)}/readings`, payload, { qos: 1 });
}

async function storedWithin(
  stage: SoakStage,
  rows: number,
  seconds: number,
  signal: AbortSignal,
  untilMs?: number,
): Promise<boolean> {
  const deadline = performance.now() + seconds * 1000;
  while ((await stage.stored(untilMs)) < rows) {
    if (performance.now() > deadline || signal.aborted) return false;
    await pause(200, signal);
  }
  return true;
}
