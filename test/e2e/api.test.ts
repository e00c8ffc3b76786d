import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import { Daemon, fieldwatch } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

const ANNA = 'anna-0123456789abcdefghij';
const BERT = 'bert-0123456789abcdefghij';
const CARL = 'carl-0123456789abcdefghij';

interface StreamEvent {
  readonly id: string | undefined;
  readonly name: string;
  readonly data: Record<string, unknown>;
}

/** Events as a page receives them. */
class Listener {
  readonly events: StreamEvent[] = [];
  lastId: string | undefined;
  private readonly abort = new AbortController();
  private ended = false;

  static async open(url: string, headers: Record<string, string> = {}): Promise<Listener> {
    const listener = new Listener();
    const response = await fetch(url, { headers, signal: listener.abort.signal });
    expect(response.status).toBe(200);
    void listener.read(response).catch(() => undefined);
    return listener;
  }

  close(): void {
    this.abort.abort();
  }

  named(name: string): readonly StreamEvent[] {
    return this.events.filter((event) => event.name === name);
  }

  async until(what: string, matches: (event: StreamEvent) => boolean): Promise<StreamEvent> {
    await eventually(what, () => this.ended || this.events.some(matches));
    return this.events.find(matches)!;
  }

  private async read(response: Response): Promise<void> {
    let rest = '';
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      const frames = (rest + piece).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) this.take(frame);
    }
    this.ended = true;
  }

  private take(frame: string): void {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1];
    this.lastId = field('id') ?? this.lastId;
    const name = field('event');
    if (name !== undefined)
      this.events.push({ id: field('id'), name, data: JSON.parse(field('data')!) as StreamEvent['data'] });
  }
}

const alertOf = ({ data }: StreamEvent) => data['alert'] as Record<string, unknown>;
const isAlert =
  (event: string, sensor: string) =>
  (given: StreamEvent): boolean =>
    given.name === 'alert' && given.data['event'] === event && alertOf(given)['sensor'] === sensor;

describe('the API of a daemon on the embedded database and broker', () => {
  let daemon: Daemon;
  let publisher: MqttClient;
  let tokens: string;

  beforeAll(async () => {
    const mqttPort = await freePort();
    daemon = await Daemon.prepare(`
embedded: { database_port: ${await freePort()}, mqtt_port: ${mqttPort} }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: 30, for: 1m } } }
http: { port: 0, token_file: tokens }
`);
    tokens = join(daemon.dir, 'tokens');
    await writeFile(tokens, `anna operator ${ANNA}\nbert viewer ${BERT}\n`, { mode: 0o600 });
    await daemon.launch();
    publisher = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { reconnectPeriod: 100 });
  });

  afterAll(async () => {
    await publisher?.endAsync(true);
    await daemon?.remove();
  });

  const base = () =>
    `http://127.0.0.1:${String(daemon.log.find(({ msg }) => msg === 'ready')?.['http_port'])}`;
  const api = (path: string) => `${base()}/api/v1${path}`;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const started = Date.now() - 600_000;
  const publish = (device: string, afterS: number, temperature: number) =>
    publisher.publishAsync(
      `sensors/lab/${device}/readings`,
      JSON.stringify({ ts: started + afterS * 1000, temperature }),
      { qos: 1 },
    );

  it('reports an alert from pending to resolved, with the place and the unit', async () => {
    const listener = await Listener.open(api('/events'));
    await listener.until('hello', ({ name }) => name === 'hello');
    await publish('a1', 0, 40);
    const pending = await listener.until('pending', isAlert('pending', 'a1'));
    expect(alertOf(pending)).toMatchObject({ alertId: null, state: 'pending', value: 40, unit: '°C' });
    await publish('a1', 61, 41);
    const firing = await listener.until('firing', isAlert('firing', 'a1'));
    expect(alertOf(firing)).toMatchObject({
      ...{ location: 'lab', alertType: 'temperature_high', metric: 'temperature', threshold: 30 },
      ...{ state: 'firing', value: 41, resolvedAt: null, system: false },
    });
    await listener.until('its sensor', ({ name, data }) => name === 'sensor' && data['state'] === 'alert');
    await publish('a1', 122, 20);
    const resolved = await listener.until('resolved', isAlert('resolved', 'a1'));
    expect(alertOf(resolved)).toMatchObject({ state: 'resolved', resolvedValue: 20, resolveReason: 'value' });
    await listener.until('its sensor', ({ name, data }) => name === 'sensor' && data['state'] === 'ok');
    listener.close();
    const received = listener.named('intake').map(({ data }) => Number(data['received']));
    expect(received).toEqual([...received].sort((a, b) => a - b));
    expect(received.at(-1)).toBeGreaterThanOrEqual(3);
  });

  it('a breach that ends before it fires is cleared', async () => {
    const listener = await Listener.open(api('/events'));
    await listener.until('hello', ({ name }) => name === 'hello');
    await publish('b1', 0, 40);
    await listener.until('pending', isAlert('pending', 'b1'));
    await publish('b1', 10, 20);
    await listener.until('cleared', isAlert('cleared', 'b1'));
    listener.close();
    expect(listener.events.some(isAlert('firing', 'b1'))).toBe(false);
  });

  it('values of the requested sensors, and of no other', async () => {
    await publish('c1', 0, 20);
    await publish('c2', 0, 20);
    const listener = await Listener.open(api('/events?sensor=c1'));
    await publish('c2', 1, 21);
    await publish('c1', 1, 22.5);
    const event = await listener.until(
      'the value',
      ({ name, data }) =>
        name === 'sensor' && (data['latest'] as { value: number }[]).some(({ value }) => value === 22.5),
    );
    expect(event.data).toMatchObject({ key: 'c1', state: null });
    listener.close();
    expect(listener.named('sensor').every(({ data }) => data['key'] === 'c1')).toBe(true);
  });

  it('a page that was away for a moment gets what it missed, once', async () => {
    const before = await Listener.open(api('/events'));
    await before.until('hello', ({ name }) => name === 'hello');
    await publish('d1', 0, 40);
    await before.until('pending', isAlert('pending', 'd1'));
    before.close();
    const other = await Listener.open(api('/events'));
    await other.until('hello', ({ name }) => name === 'hello');
    await publish('d1', 61, 41);
    await other.until('firing', isAlert('firing', 'd1'));
    other.close();
    const again = await Listener.open(api('/events'), { 'last-event-id': before.lastId! });
    await again.until('figures', ({ name }) => name === 'intake');
    again.close();
    expect(again.named('reset')).toEqual([]);
    expect(again.events.filter(isAlert('firing', 'd1'))).toHaveLength(1);
    expect(again.events.filter(isAlert('pending', 'd1'))).toHaveLength(0);
  });

  it('roles of the tokens, and a changed file at SIGHUP', async () => {
    const role = async (token: string) => {
      const response = await fetch(api('/session'), { headers: bearer(token) });
      return response.status === 200 ? ((await response.json()) as { role: string }).role : response.status;
    };
    expect([await role(ANNA), await role(BERT), await role(CARL)]).toEqual(['operator', 'viewer', 401]);
    const listener = await Listener.open(api('/events'), bearer(BERT));
    const reload = async (text: string, mode: number) => {
      const seen = daemon.log.length;
      await writeFile(tokens, text);
      await chmod(tokens, mode);
      daemon.signal('SIGHUP');
      return daemon.logged(({ msg }) => /configuration reloaded|reload refused/.test(msg), seen);
    };
    expect(await reload(`carl operator ${CARL}\n`, 0o644)).toMatchObject({
      msg: expect.stringMatching(/^reload refused/),
      err: { message: expect.stringMatching(/others can read/) },
    });
    expect([await role(ANNA), await role(CARL)]).toEqual(['operator', 401]);
    expect((await reload(`carl operator ${CARL}\n`, 0o600)).msg).toBe('configuration reloaded');
    expect([await role(ANNA), await role(BERT), await role(CARL)]).toEqual([401, 401, 'operator']);
    await eventually('the stream of a token that is gone ends', () => listener['ended']);
    const log = JSON.stringify(daemon.log);
    for (const token of [ANNA, BERT, CARL]) expect(log).not.toContain(token);
  });

  it('says the same as the commands', async () => {
    const { stdout } = await fieldwatch(['alerts', 'list', '--json', '--config', daemon.configFile], {
      cwd: daemon.dir,
    });
    expect(stdout).toContain('"a1"');
  });

  it('a configuration that would open it to the network is refused, with the remedy', async () => {
    const open = await Daemon.prepare('http: { host: 0.0.0.0 }\n');
    try {
      const run = await fieldwatch(['run', '--config', open.configFile], { cwd: open.dir });
      expect([run.code, run.stderr]).toEqual([2, expect.stringMatching(/http\.host.*http\.token_file/)]);
    } finally {
      await open.remove();
    }
  });
});
