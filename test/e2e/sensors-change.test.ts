import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sensorsCommand } from '../../src/cli/sensors/index.ts';
import { runCli } from '../support/cli.ts';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

const GONE = 'NOT EXISTS (SELECT FROM sensors s WHERE s.id = t.sensor_id)';
const TABLES = ['sensor_readings', 'sensor_metrics', 'sensor_alerts', 'alert_state'];

describeWith('mosquitto')(
  'statement 29: sensors change while two daemons of a share group store what they send',
  () => {
    let deployment: Deployment;
    let daemons: readonly Daemon[];
    const sent = new Map<string, number>();
    let sending = true;
    let publishers: Promise<unknown>;

    beforeAll(async () => {
      deployment = await openDeployment();
      const config = (name: string) => ({
        mqtt: { client_id: `sensors-${name}`, share_group: 'sensors' },
        alerts: { metrics: { temperature: { max: 30 } } },
      });
      daemons = [await deployment.start(config('a')), await deployment.start(config('b'))];
      publishers = Promise.all(['renamed', 'merged', 'kept', 'forgotten'].map(send));
      await eventually('readings of all', async () => (await deployment.count('sensors')) === 4);
      await alertLine('firing', 'merged');
      await alertLine('firing', 'forgotten');
    });
    afterAll(async () => {
      sending = false;
      await publishers;
      await deployment?.close();
    });

    /** One after the other at QoS 1, each at a time of its own, and each above the limit. */
    async function send(device: string): Promise<void> {
      const baseMs = Date.now();
      for (let n = 0; sending; n++) {
        const offsetMs = ['renamed', 'merged', 'kept', 'forgotten'].indexOf(device);
        await deployment.publish(device, {
          ts: baseMs + 4 * n + offsetMs - 3_600_000,
          temperature: 31,
          seq: n,
        });
        sent.set(device, n + 1);
        // No faster than the database answers: on the embedded one it would only make a backlog.
        if (n % 10 === 9) await deployment.count('sensors');
      }
    }
    const alertLine = (event: string, sensor: string, more: Record<string, unknown> = {}) =>
      Promise.race(
        daemons.map((daemon) =>
          daemon.logged(
            (line) =>
              line['event'] === event &&
              line['sensor'] === sensor &&
              Object.entries(more).every(([name, value]) => line[name] === value),
          ),
        ),
      );
    const change = (...args: string[]) =>
      runCli(sensorsCommand, [...args, '--yes'], {
        env: { FIELDWATCH_DATABASE_URL: deployment.database.url },
      });
    const stored = (key: string) =>
      deployment.count('sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = $1', [key]);
    /** What is sent from now on arrives, under this key. */
    const goesOn = async (key: string) => {
      const before = await stored(key);
      await eventually(`more readings of ${key}`, async () => (await stored(key)) > before + 50);
    };

    it('each goes on, alerts of what is gone end with a line, and no row is left without its sensor', async () => {
      await change('rename', 'renamed', 'better');
      await goesOn('better');
      await change('merge', 'merged', 'kept');
      await goesOn('kept');
      await alertLine('resolved', 'merged', { reason: 'manual' });
      await change('forget', 'forgotten');
      await alertLine('resolved', 'forgotten', { reason: 'manual' });
      await goesOn('forgotten');
      sending = false;
      await publishers;
      const whole = { better: sent.get('renamed')!, kept: sent.get('merged')! + sent.get('kept')! };
      for (const [key, readings] of Object.entries(whole))
        await eventually(`all ${readings} of ${key}`, async () => (await stored(key)) >= readings);
      const last = 'sensor_metrics m JOIN sensors s ON s.id = m.sensor_id WHERE s.key = $1 AND m.value = $2';
      await eventually(
        'the last of forgotten',
        async () => (await deployment.count(last, ['forgotten', sent.get('forgotten')! - 1])) === 1,
      );
      expect({ better: await stored('better'), kept: await stored('kept') }).toEqual(whole);
      for (const table of TABLES)
        expect([table, await deployment.count(`${table} t WHERE ${GONE}`)]).toEqual([table, 0]);
      expect(await deployment.count('dead_letters')).toBe(0);
      expect(await deployment.rows('SELECT key FROM sensors ORDER BY key')).toEqual(
        ['better', 'forgotten', 'kept'].map((key) => ({ key })),
      );
    });
  },
);
