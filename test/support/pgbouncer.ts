import { type ChildProcess, spawn } from 'node:child_process';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVER_PATH, endChild } from './child-process.ts';
import { freePort } from './free-port.ts';
import { unprivileged } from './postgres-server.ts';

export interface PgBouncerOptions {
  readonly mode: 'session' | 'transaction' | 'statement';
  /** Where it leads: the URL of a server, with a password. */
  readonly target: string;
}

/** A PgBouncer with the settings it comes with, before a server. Clients log in with the password of the target's role. */
export class PgBouncer {
  readonly url: string;
  readonly #dir: string;
  readonly #process: ChildProcess;

  private constructor(url: string, dir: string, process: ChildProcess) {
    this.url = url;
    this.#dir = dir;
    this.#process = process;
  }

  static async start({ mode, target }: PgBouncerOptions): Promise<PgBouncer> {
    const [server, port, as] = [new URL(target), await freePort(), await unprivileged()];
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-pgbouncer-'));
    const password = decodeURIComponent(server.password);
    const users = join(dir, 'users.txt');
    await writeFile(users, `"${server.username}" "${password.replaceAll('"', '""')}"\n`);
    const file = join(dir, 'pgbouncer.ini');
    await writeFile(
      file,
      `[databases]\n* = host=${server.hostname} port=${server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n` +
        `listen_port = ${port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = ${users}\npool_mode = ${mode}\n`,
    );
    if (as.uid !== undefined)
      for (const path of [dir, users, file]) await chown(path, as.uid, as.gid ?? as.uid);
    const child = spawn('pgbouncer', [file], {
      ...as,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH: SERVER_PATH },
    });
    let log = '';
    for await (const chunk of child.stderr) {
      log += String(chunk);
      if (log.includes('process up')) break;
    }
    if (!log.includes('process up')) throw new Error(`pgbouncer did not start: ${log}`);
    [server.hostname, server.port] = ['127.0.0.1', String(port)];
    return new PgBouncer(server.href, dir, child);
  }

  async stop(): Promise<void> {
    await endChild(this.#process);
    await rm(this.#dir, { recursive: true, force: true });
  }
}
