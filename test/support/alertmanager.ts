import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endChild } from './child-process.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

/** As its v2 API shows an alert. */
export interface HeldAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly fingerprint: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly status: { readonly state: string };
}

/** A real Alertmanager (Debian's), with one receiver: a webhook. */
export class Alertmanager {
  readonly url: string;
  private readonly dir: string;
  private readonly child: ChildProcess;

  private constructor(url: string, dir: string, child: ChildProcess) {
    this.url = url;
    this.dir = dir;
    this.child = child;
  }

  static async start(webhookUrl: string): Promise<Alertmanager> {
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-alertmanager-'));
    const config = {
      route: {
        receiver: 'hook',
        group_by: ['alertname', 'sensor', 'severity'],
        group_wait: '100ms',
        group_interval: '1s',
        repeat_interval: '1h',
      },
      receivers: [{ name: 'hook', webhook_configs: [{ url: webhookUrl, send_resolved: true }] }],
    };
    // JSON is YAML.
    await writeFile(join(dir, 'alertmanager.yml'), JSON.stringify(config));
    const port = await freePort();
    const child = spawn(
      'prometheus-alertmanager',
      [
        `--config.file=${join(dir, 'alertmanager.yml')}`,
        `--storage.path=${dir}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--cluster.listen-address=',
      ],
      { stdio: 'ignore' },
    );
    const url = `http://127.0.0.1:${port}`;
    await eventually('Alertmanager is ready', async () => {
      if (child.exitCode !== null) throw new Error('Alertmanager did not start');
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
    });
    return new Alertmanager(url, dir, child);
  }

  /** What it holds as active. */
  async alerts(): Promise<readonly HeldAlert[]> {
    const response = await fetch(`${this.url}/api/v2/alerts`);
    return (await response.json()) as HeldAlert[];
  }

  async stop(): Promise<void> {
    await endChild(this.child);
    await rm(this.dir, { recursive: true, force: true });
  }
}
