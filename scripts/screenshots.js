// Writes docs/images/: what the page looks like, taken of the demo by headless Chromium, small enough for a README.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const OUT = resolve('docs/images');
const PORT = Number(process.env.FIELDWATCH_HTTP_PORT ?? 9464);
const ORIGIN = `http://127.0.0.1:${PORT}`;
/** Long enough for a curve with an alert in it. */
const WATCH_MS = Number(process.argv[2] ?? 240) * 1000;

const folder = mkdtempSync(join(tmpdir(), 'fieldwatch-screenshots-'));
const demo = spawn(process.execPath, [resolve('dist/main.js'), 'demo'], {
  cwd: folder,
  stdio: ['ignore', 'inherit', 'inherit'],
});

async function answer(path) {
  for (;;) {
    if (demo.exitCode !== null) throw new Error('the demo has ended');
    try {
      const response = await fetch(`${ORIGIN}/api/v1/${path}`);
      if (response.ok) return await response.json();
    } catch {
      // Not there yet.
    }
    await sleep(500);
  }
}

/** The sensor whose alerts say most: the newest that was resolved. */
async function interesting() {
  for (;;) {
    const { items } = await answer('alerts?state=resolved&from=1h&limit=100');
    const found = items.find(({ alertType }) => alertType === 'temperature_high');
    if (found !== undefined) return found;
    await sleep(2000);
  }
}

async function shoot(browser, name, path, options) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  await page.goto(`${ORIGIN}/${path}`);
  await page.waitForSelector('[data-link=live]');
  await page.locator('.loading').first().waitFor({ state: 'detached' });
  if (path.startsWith('sensor?')) await page.waitForSelector('.u-over');
  // Curves and figures of the last seconds.
  await sleep(5000);
  writeFileSync(join(OUT, `${name}.png`), await page.screenshot());
  await context.close();
}

const WIDE = { viewport: { width: 1100, height: 720 } };
const PHONE = { viewport: { width: 390, height: 760 }, colorScheme: 'dark' };

try {
  mkdirSync(OUT, { recursive: true });
  await answer('status');
  await sleep(WATCH_MS);
  const { sensor, alertId } = await interesting();
  const key = encodeURIComponent(sensor);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  await shoot(browser, 'overview', '', WIDE);
  await shoot(browser, 'sensor', `sensor?key=${key}&range=15m&metrics=temperature,humidity`, WIDE);
  await shoot(browser, 'alert', `alert?id=${alertId}`, { ...WIDE, colorScheme: 'dark' });
  await shoot(browser, 'phone', 'sensors', PHONE);
  await browser.close();
} finally {
  demo.kill('SIGINT');
  if (demo.exitCode === null) await once(demo, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
