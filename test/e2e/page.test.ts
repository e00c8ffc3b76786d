import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Browser,
  type Page,
  type Tab,
  openBrowser,
  openTab,
  overflowOf,
  violationsOf,
} from '../support/browser.ts';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { openPathProxy } from '../support/path-proxy.ts';
import { describeWith } from '../support/tools.ts';

const TOKENS = { viewer: 'viewer-token-of-the-page-test', operator: 'operator-token-of-the-page-test' };
const SENSORS = 10_000;
/** Markup, an override of the direction of text, and a thousand characters. */
const HOSTILE = `<img src=x onerror=alert(1)>\u202egpj.\u2066${'x'.repeat(960)}`;
const VIEWS = ['', 'sensors', 'sensor?key=calm', 'alerts', 'policies', 'dead-letters', 'setup', 'login'];

describeWith('chromium', 'mosquitto')('the page in a browser', () => {
  let deployment: Deployment;
  let daemon: Daemon;
  let browser: Browser;
  let origin: string;
  let httpPort: number;
  const tabs: Tab[] = [];

  beforeAll(async () => {
    deployment = await openDeployment();
    httpPort = await freePort();
    origin = `http://127.0.0.1:${httpPort}`;
    const settings = {
      mqtt: { client_id: 'page-test' },
      alerts: { metrics: { temperature: { max: 30, levels: [{ severity: 'critical', max: 40 }] } } },
    };
    daemon = await deployment.daemon(settings);
    const tokens = join(daemon.dir, 'tokens');
    await writeFile(tokens, `vera viewer ${TOKENS.viewer}\nanna operator ${TOKENS.operator}\n`);
    await chmod(tokens, 0o600);
    await configure({ port: httpPort, token_file: tokens });
    await daemon.launch();
    await deployment.rows(
      `INSERT INTO sensors (key, location, type) SELECT 'many-' || lpad(i::text, 5, '0'), 'hall-' || i % 20, 'bulk'
         FROM generate_series(1, $1::int) i`,
      [SENSORS],
    );
    await store('calm', { temperature: 20, humidity: 50 });
    await store('plotted', { temperature: 20 });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await deployment?.close();
  });

  /** Changes keys of `http`; the next start takes them. */
  async function configure(http: Record<string, unknown>): Promise<void> {
    const config = JSON.parse(await readFile(daemon.configFile, 'utf8')) as Record<string, object>;
    const before = config['http'] as Record<string, unknown>;
    await writeFile(
      daemon.configFile,
      JSON.stringify({ ...config, http: { ...before, enabled: true, ...http } }),
    );
  }

  /** A tab of its own, logged in or not; closed with the test. */
  async function open(path: string, role?: keyof typeof TOKENS, options = {}): Promise<Tab> {
    const tab = await openTab(browser, origin, options);
    tabs.push(tab);
    if (role !== undefined) {
      const { status } = await tab.page
        .context()
        .request.fetch(`${origin}/api/v1/session`, {
          method: 'POST',
          headers: { origin },
          data: { token: TOKENS[role] },
        })
        .then((answer) => ({ status: answer.status() }));
      expect(status).toBeLessThan(300);
    }
    await visit(tab.page, path);
    return tab;
  }
  const visit = async (page: Page, path: string): Promise<void> => {
    await page.goto(`${origin}/${path}`);
    await page.waitForSelector('[data-link=live]');
  };
  /** The page's policy refuses what Playwright's own waiting does, which is to evaluate text. */
  const until = (page: Page, expression: string) =>
    eventually(expression, () => page.evaluate<boolean>(expression));
  /** Until nothing is being loaded any more. */
  const settled = (page: Page) =>
    until(page, 'document.querySelector(".loading") === null && document.querySelector("h1") !== null');
  const titled = (page: Page, title: string) =>
    until(page, `document.title.startsWith(${JSON.stringify(title)})`);
  /** Publishes, and resolves once it is stored. */
  async function store(device: string, metrics: Record<string, number>): Promise<void> {
    const stored = await deployment.count('sensor_readings');
    await deployment.publish(device, metrics);
    await deployment.stored(stored + 1);
  }
  const alert = (page: Page, sensor: string, list = 'open') =>
    page.locator(`[data-list=${list}] > li`, { hasText: sensor });

  async function leave(): Promise<void> {
    const left = tabs.splice(0);
    const faults = left.flatMap((tab) => tab.faults);
    await Promise.all(left.map((tab) => tab.close()));
    expect(faults).toEqual([]);
  }

  describe('every view', () => {
    it.each(VIEWS)('/%s has no fault, none of A and AA in light and dark, and fits a phone', async (view) => {
      const { page } = await open(view, 'operator', { colorScheme: 'light' });
      await settled(page);
      expect(await violationsOf(page)).toEqual([]);
      await page.emulateMedia({ colorScheme: 'dark' });
      expect(await violationsOf(page)).toEqual([]);
      await page.setViewportSize({ width: 390, height: 844 });
      expect(await violationsOf(page)).toEqual([]);
      expect(await overflowOf(page)).toBe(0);
      await leave();
    });

    it('is reached by the keyboard, and named by the title', async () => {
      const { page } = await open('');
      for (const [name, title] of [
        ['Sensors', 'Sensors'],
        ['Alerts', 'Alerts'],
        ['Policies and storage', 'Policies and storage'],
        ['Dead letters', 'Dead letters'],
        ['Set-up', 'Set-up'],
        ['Overview', 'Overview'],
      ] as const) {
        await page
          .getByRole('navigation')
          .getByRole('link', { name, exact: name !== 'Alerts' })
          .press('Enter');
        await titled(page, title);
        expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN');
      }
      await page.goBack();
      await titled(page, 'Set-up');
      await leave();
    });

    it('shows its first content before the daemon has answered anything', async () => {
      const tab = await openTab(browser, origin);
      tabs.push(tab);
      await tab.page.route('**/api/v1/**', () => undefined);
      await tab.page.goto(`${origin}/`);
      await tab.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
      await tab.page.getByRole('navigation').getByRole('link', { name: 'Sensors' }).waitFor();
      await leave();
    });

    it('says so without an alert', async () => {
      const { page } = await open('no/such/view');
      await page.getByText('There is no such page.').waitFor();
      await leave();
    });
  });

  describe('alerts', () => {
    it('appear by themselves, are acknowledged and silenced as the database has it, and end', async () => {
      const { page } = await open('alerts', 'operator');
      await deployment.publish('freezer', { temperature: 45 });
      await alert(page, 'freezer').waitFor();
      await alert(page, 'freezer', 'feed').first().waitFor();

      await alert(page, 'freezer').getByRole('button', { name: 'Acknowledge' }).click();
      await page.getByLabel('Comment').fill('the door was open');
      await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
      await alert(page, 'freezer').getByText('Seen', { exact: true }).waitFor();
      expect(
        await deployment.rows(
          `SELECT a.acked_by AS by FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id WHERE s.key = 'freezer'`,
        ),
      ).toContainEqual({ by: 'anna' });

      await alert(page, 'freezer').getByRole('button', { name: 'Silence' }).click();
      await page.getByLabel('Reason').fill('defrosting');
      await page.getByRole('dialog').getByRole('button', { name: 'Silence' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(
        await deployment.rows(
          'SELECT created_by AS by, comment, matchers, ends_at > now() AS active FROM silences',
        ),
      ).toEqual([
        {
          by: 'anna',
          comment: 'defrosting',
          matchers: { sensor: 'freezer', alert_type: 'temperature_high' },
          active: true,
        },
      ]);

      await page.getByText('Silences').click();
      const silence = page.locator('[data-list=silences] tbody tr', { hasText: 'defrosting' });
      await silence.getByRole('button', { name: 'End now' }).click();
      await silence.waitFor({ state: 'detached' });

      await page.getByText('Open', { exact: true }).click();
      await deployment.publish('freezer', { temperature: 20 });
      await alert(page, 'freezer').waitFor({ state: 'detached' });
      await page.getByText('History').click();
      await page.locator('[data-list=history] tr', { hasText: 'freezer' }).getByText('Resolved').waitFor();
      await page.setViewportSize({ width: 390, height: 844 });
      await page.locator('[data-list=history] > li', { hasText: 'freezer' }).getByText('Resolved').waitFor();
      expect(await overflowOf(page)).toBe(0);
      // What happened while the page was closed is on the first view.
      await visit(page, '');
      await page.locator('[data-list=resolved] > li', { hasText: 'freezer' }).waitFor();
      await leave();
    });

    it('show their course and their curve', async () => {
      const { page } = await open('alerts', 'operator');
      await deployment.publish('oven', { temperature: 35 });
      await alert(page, 'oven').getByRole('link').last().click();
      const course = page.locator('[data-list=transitions]');
      await course.getByText('Fired').waitFor();
      await page.locator('[data-plot=temperature] canvas').waitFor();
      await deployment.publish('oven', { temperature: 20 });
      await course.getByText('Resolved').waitFor();
      // The page of the sensor has it, too: how bad it was, and when.
      await visit(page, 'sensor?key=oven');
      const recent = page.locator('[data-list=recent] > li', { hasText: 'Resolved' });
      await recent.getByText('highest 35.0\u00a0°C, limit 30.0\u00a0°C').waitFor();
      await recent.getByRole('link').click();
      await course.waitFor();
      await leave();
    });
  });

  it('a broken link is seen at once and heals by itself, with what was missed', async () => {
    const { page } = await open('alerts', 'operator');
    await settled(page);
    await daemon.end('SIGKILL');
    await page.getByText('No link to the daemon').waitFor();
    // Published while it is away, stored once it is back.
    await deployment.publish('boiler', { temperature: 33 });
    await daemon.launch();
    await page.waitForSelector('[data-link=live]');
    await page.getByText('No link to the daemon').waitFor({ state: 'detached' });
    await alert(page, 'boiler').waitFor();
    // The session has ended with the daemon: nothing is offered that would be refused.
    await alert(page, 'boiler').getByRole('button').first().waitFor({ state: 'detached' });
    await page
      .getByText(/needs a token of the role operator/)
      .first()
      .waitFor();
    await deployment.publish('boiler', { temperature: 20 });
    await alert(page, 'boiler').waitFor({ state: 'detached' });
    await leave();
  });

  describe('roles', () => {
    it('without a token everything is shown, and nothing offered that would be refused', async () => {
      await deployment.publish('roles', { temperature: 34 });
      const { page } = await open('alerts');
      await alert(page, 'roles').waitFor();
      await page
        .getByText(/needs a token of the role operator; without a token/)
        .first()
        .waitFor();
      expect(await page.getByRole('button', { name: /Acknowledge|Silence|Resolve/ }).count()).toBe(0);
      await leave();
    });

    it('a wrong token is refused with the reason; a viewer reads, and an operator acts', async () => {
      const { page } = await open('login');
      await page.getByRole('textbox', { name: 'Token' }).fill('a-token-that-was-never-issued');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('alert').waitFor();
      await page.getByRole('textbox', { name: 'Token' }).fill(TOKENS.viewer);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText('You are logged in as vera, viewer.').waitFor();
      await page.getByRole('navigation').getByRole('link', { name: 'Alerts' }).click();
      await page
        .getByText(/yours is viewer/)
        .first()
        .waitFor();
      expect(await page.getByRole('button', { name: 'Acknowledge' }).count()).toBe(0);

      await visit(page, 'login');
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByText('You are logged out.').waitFor();
      await visit(page, 'login');
      await page.getByRole('textbox', { name: 'Token' }).fill(TOKENS.operator);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText('You are logged in as anna, operator.').waitFor();
      await visit(page, 'alerts');
      await alert(page, 'roles').getByRole('button', { name: 'Acknowledge' }).waitFor();
      await leave();
    });
  });

  describe('sensors', () => {
    it('ten thousand of them are a list of which only what is seen is drawn', async () => {
      const { page } = await open('sensors');
      const rows = page.locator('[data-list=sensors] tr[data-sensor]');
      await page.getByText(/^10,\d{3} sensors$/).waitFor();
      await rows.first().waitFor();
      // Page by page, to a place of the list and not to its end, which is another one with each page.
      await until(
        page,
        `(scrollTo(0, 45_000), document.querySelector('tr[data-sensor="many-00975"]') !== null)`,
      );
      expect(await rows.count()).toBeLessThan(100);

      await page.getByLabel('Search').fill('many-04711');
      await page.getByText('1 sensor found').waitFor();
      expect(await rows.count()).toBe(1);
      // A link to the list takes the search away.
      await page.getByRole('navigation').getByRole('link', { name: 'Sensors' }).click();
      await page.getByText(/^10,\d{3} sensors$/).waitFor();
      expect(await page.getByLabel('Search').inputValue()).toBe('');
      await page.getByLabel('Location').selectOption('hall-7');
      await page.getByText('500 sensors found').waitFor();
      await leave();
    });

    it('a sensor is plotted: live, with a table, by mouse and by keyboard', async () => {
      await store('plotted', { temperature: 21.5 });
      const { page } = await open('sensor?key=plotted');
      const plot = page.locator('[data-plot=temperature]');
      await plot.locator('canvas').waitFor();
      await plot.getByText(/Last 21\.5\u00a0°C/).waitFor();
      await deployment.publish('plotted', { temperature: 23.5 });
      await plot.getByText(/Last 23\.5\u00a0°C/).waitFor();
      await page.locator('[data-list=limits]').getByText('value above 40.0\u00a0°C').waitFor();

      await plot.getByRole('button', { name: /Table/ }).click();
      await plot.getByRole('cell', { name: '23.5' }).first().waitFor();
      await plot.getByRole('button', { name: /Plot/ }).click();

      const box = (await plot.locator('.u-over').boundingBox())!;
      await page.mouse.move(box.x + box.width * 0.25, box.y + 50);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 4 });
      await page.mouse.up();
      await page.waitForURL(/from=.*to=/);
      await plot.getByRole('application').press('Escape');
      await page.waitForURL(/range=15m/);
      await plot.getByRole('application').press('+');
      await page.waitForURL(/from=.*to=/);
      await leave();
    });

    it('what is shown is saved as CSV and Parquet, by a viewer as well', async () => {
      await store('saved', { temperature: 21.5, humidity: 40 });
      const { page } = await open('sensor?key=saved&metrics=temperature', 'viewer');
      const saved = async (format: string): Promise<{ name: string; bytes: Buffer }> => {
        const download = page.waitForEvent('download');
        await page.locator(`[data-save=${format}]`).click();
        const file = await download;
        return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
      };
      const csv = await saved('csv');
      expect(csv.name).toMatch(/^saved_.*\.csv$/);
      const [header, ...lines] = csv.bytes.toString().trimEnd().split('\n');
      expect([header, lines.map((line) => line.split(',').slice(1))]).toEqual([
        'time,sensor,location,temperature',
        [['saved', 'lab', '21.5']],
      ]);
      const parquet = await saved('parquet');
      expect(parquet.name).toMatch(/^saved_.*\.parquet$/);
      expect([parquet.bytes.subarray(0, 4), parquet.bytes.subarray(-4)].map(String)).toEqual([
        'PAR1',
        'PAR1',
      ]);
      await leave();
    });

    it('metrics are shown whatever they are called', async () => {
      await store('odd-names', { temperature: 20, toString: 7.5, valueOf: 8, 'a,b': 9 });
      const { page } = await open('sensor?key=odd-names');
      for (const name of ['ToString', 'ValueOf', 'A,b'])
        await page.locator('[data-list=latest]').getByText(name, { exact: true }).first().waitFor();
      await page.getByLabel('Plot A,b').check();
      await page.locator('[data-plot="a,b"] canvas').waitFor();
      await visit(page, 'sensors?search=odd-names');
      await page.locator('[data-sensor=odd-names]').getByText('7.50').waitFor();
      await leave();
    });

    it('a name with markup, hidden characters and no end is text', async () => {
      await deployment.rows(
        "INSERT INTO sensors (key, name, location, type) VALUES ('hostile', $1, $1, 'odd')",
        [HOSTILE],
      );
      for (const width of [1280, 390]) {
        const { page } = await open('sensors?type=odd', 'operator', { viewport: { width, height: 800 } });
        await page
          .locator('[data-sensor=hostile]')
          .getByText('<img src=x onerror=alert(1)>\\u202Egpj.\\u2066')
          .first()
          .waitFor();
        expect(await overflowOf(page)).toBe(0);
        await visit(page, 'sensor?key=hostile');
        const shown = HOSTILE.replace('\u202e', '\\u202E').replace('\u2066', '\\u2066');
        await page.getByRole('heading', { level: 1, name: shown, exact: true }).waitFor();
        expect(await page.locator('img').count()).toBe(0);
        expect(await overflowOf(page)).toBe(0);
      }
      await leave();
    });
  });

  it('a dead letter is read with another route before anything is configured', async () => {
    await deployment.publisher.publishAsync('sensors/lab/odd/readings', '21.5 degrees', { qos: 1 });
    const { page } = await open('dead-letters', 'operator');
    const letter = page.locator('[data-list=dead-letters] > li', { hasText: 'sensors/lab/odd/readings' });
    await letter.getByRole('button').first().click();
    await letter.getByText('No reading:').waitFor();
    await letter.getByLabel('Read it as').selectOption('text');
    await letter.locator('[data-decoded]').waitFor();
    await leave();
  });

  it('the configuration in effect is shown without its secrets', async () => {
    const { page } = await open('setup');
    const config = page.locator('pre[aria-label="Configuration in effect"]');
    await config.getByText('page-test').waitFor();
    const text = (await config.textContent()) ?? '';
    const secret = /:\/\/[^:]+:([^@]+)@/.exec(deployment.database.url)?.[1];
    expect(secret).toBeDefined();
    expect(text).not.toContain(secret!);
    await leave();
  });

  describe('what an operator does', () => {
    it('learns from what is published meanwhile', async () => {
      const { page } = await open('setup', 'operator');
      await page.getByLabel('Topic filters').fill('greenhouse/#');
      await page.getByRole('button', { name: 'Listen', exact: true }).click();
      const learning = page.locator('[data-learning]');
      await page.waitForSelector('[data-learning=listening]');
      await deployment.publisher.publishAsync('greenhouse/bed-1/state', '{"temperature":21.5}', { qos: 1 });
      await learning.getByText('1 message on 1 topic').waitFor();
      await page.getByRole('button', { name: 'Enough' }).click();
      await page.waitForSelector('[data-learning=done]');
      const proposed = page.locator('pre[aria-label="Proposed configuration"]');
      expect(await proposed.textContent()).toMatch(/routes:[\s\S]*greenhouse/);
      expect(await violationsOf(page)).toEqual([]);
      await leave();
    });

    it('publishes a dead letter again, and it is read again', async () => {
      const topic = 'sensors/lab/again/readings';
      const letters = () => deployment.count('dead_letters WHERE topic = $1', [topic]);
      await deployment.publisher.publishAsync(topic, 'no number', { qos: 1 });
      await eventually('it is a dead letter', async () => (await letters()) === 1);
      const { page } = await open('dead-letters', 'operator');
      const letter = page.locator('[data-list=dead-letters] > li', { hasText: topic });
      await letter.getByRole('button').first().click();
      await letter.getByRole('button', { name: 'Publish again' }).click();
      await eventually('it came again', async () => (await letters()) === 2);
      await leave();
    });

    it('forgets a sensor with what it sent', async () => {
      await store('forgotten', { temperature: 20 });
      const { page } = await open('sensor?key=forgotten', 'operator');
      await page.getByRole('button', { name: 'Forget' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Deletes 1 reading, 0 further values').waitFor();
      await dialog.getByRole('button', { name: 'Forget for ever' }).click();
      await page.getByText('Forgotten, with 1 reading.').waitFor();
      await titled(page, 'Sensors');
      expect(await deployment.count("sensors WHERE key = 'forgotten'")).toBe(0);
      await leave();
    });
  });

  describe('notifications on this machine', () => {
    /** What was asked for, shown and played. */
    const WITNESS = `
      globalThis.seen = { asked: 0, shown: [], tones: 0 };
      const ask = Notification.requestPermission.bind(Notification);
      globalThis.Notification = class extends Notification {
        static requestPermission() { seen.asked += 1; return ask(); }
        constructor(title, options) { super(title, options); seen.shown.push(title); }
      };
      const { start } = OscillatorNode.prototype;
      OscillatorNode.prototype.start = function (...when) { seen.tones += 1; return start.apply(this, when); };`;
    const button = (page: Page, state: 'on' | 'off') =>
      page.getByRole('button', { name: `Notifications on this machine: ${state}` });
    const listen = async (permissions: string[]) => {
      const tab = await openTab(browser, origin, { permissions });
      tabs.push(tab);
      await tab.page.addInitScript(WITNESS);
      await visit(tab.page, 'alerts');
      await settled(tab.page);
      await button(tab.page, 'off').click();
      await tab.page.getByLabel('Desktop notification').check();
      await tab.page.getByLabel(/^Sound/).check();
      // Permission is asked for by a gesture, and not before.
      expect(await tab.page.evaluate('seen')).toEqual({ asked: 0, shown: [], tones: 0 });
      await tab.page.getByRole('button', { name: 'Save' }).click();
      await button(tab.page, 'on').waitFor();
      await until(tab.page, 'seen.asked === 1 && seen.tones === 1');
      return tab.page;
    };

    it('are shown and played for an alert that begins, and kept for the next visit', async () => {
      const page = await listen(['notifications']);
      await visit(page, 'alerts');
      await button(page, 'on').waitFor();
      await deployment.publish('loud', { temperature: 46 });
      await until(page, `seen.shown.includes('critical: loud') && seen.tones > 0`);
      await deployment.publish('loud', { temperature: 20 });
      await alert(page, 'loud').waitFor({ state: 'detached' });
      await leave();
    });

    it('are played alone where the browser refuses', async () => {
      const page = await listen([]);
      await page.getByText('The browser does not allow notifications of this page').waitFor();
      await button(page, 'on').click();
      expect(await page.getByLabel('Desktop notification').isChecked()).toBe(false);
      expect(await page.getByLabel(/^Sound/).isChecked()).toBe(true);
      await leave();
    });
  });

  it('behind a reverse proxy, below a path: log-in, views, live', async () => {
    await daemon.end('SIGTERM');
    await configure({ base_path: '/watch' });
    await daemon.launch();
    const proxy = await openPathProxy('/watch', () => httpPort);
    const tab = await openTab(browser, proxy.origin);
    const { page } = tab;
    try {
      await page.goto(`${proxy.origin}/watch/`);
      await page.getByRole('textbox', { name: 'Token' }).fill(TOKENS.operator);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText('You are logged in as anna, operator.').waitFor();
      await page.getByRole('navigation').getByRole('link', { name: 'Alerts' }).click();
      await page.waitForURL(`${proxy.origin}/watch/alerts`);
      await page.waitForSelector('[data-link=live]');
      await deployment.publish('proxied', { temperature: 45 });
      await alert(page, 'proxied').getByRole('button', { name: 'Acknowledge' }).waitFor();
      await page.goto(`${proxy.origin}/watch/sensor?key=plotted`);
      await page.locator('[data-plot=temperature] canvas').waitFor();
      await page.waitForSelector('[data-link=live]');
      expect(proxy.outside).toEqual([]);
      expect(tab.faults).toEqual([]);
    } finally {
      await tab.close();
      await proxy.close();
    }
  });
});
