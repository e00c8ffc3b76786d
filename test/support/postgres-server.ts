import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import type { Certificate } from './certificates.ts';
import { freePort } from './free-port.ts';
import { withClient } from './pg-client.ts';

const run = promisify(execFile);

export interface PostgresServerOptions {
  /** Lines of pg_hba.conf, before the one that admits every role by SCRAM. */
  readonly hba?: readonly string[];
  /** TLS, and the authority by which client certificates are checked. */
  readonly tls?: { readonly server: Certificate; readonly caFile: string };
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
}

const ROOT_USER = 'postgres';
export const SUPERUSER_PASSWORD = 'fw-s3cret: %+/@?#';
const LISTENS = 'host all all 127.0.0.1/32 scram-sha-256';

/** Where Debian keeps the server's programs; undefined where none are installed. */
export function postgresBin(): string | undefined {
  const base = '/usr/lib/postgresql';
  if (!existsSync(base)) return undefined;
  const versions = readdirSync(base).filter((version) => existsSync(join(base, version, 'bin/initdb')));
  const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1);
  return newest === undefined ? undefined : join(base, newest, 'bin');
}

/**
 * A PostgreSQL of its own (without TimescaleDB) on a free loopback port that admits roles by SCRAM. It refuses to run as
 * root: there it runs as Debian's user `postgres`.
 */
export class PostgresServer {
  readonly port: number;
  readonly #dir: string;
  readonly #bin: string;
  readonly #as: { uid?: number; gid?: number };

  private constructor(port: number, dir: string, as: { uid?: number; gid?: number }) {
    const bin = postgresBin();
    if (bin === undefined) throw new Error('the programs of a PostgreSQL server are not installed');
    this.port = port;
    this.#dir = dir;
    this.#bin = bin;
    this.#as = as;
  }

  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-postgres-'));
    const server = new PostgresServer(await freePort(), dir, await unprivileged());
    try {
      await server.#initialize(options);
      await server.launch();
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
    return server;
  }

  /** A standby of `primary`, streaming from it. */
  static async standbyOf(primary: PostgresServer): Promise<PostgresServer> {
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-postgres-'));
    const server = new PostgresServer(await freePort(), dir, await unprivileged());
    const { uid, gid } = server.#as;
    if (uid !== undefined && gid !== undefined) await chown(dir, uid, gid);
    try {
      await server.#run(
        'pg_basebackup',
        '-d',
        primary.url(),
        '-D',
        server.#data,
        '-R',
        '-c',
        'fast',
        '--no-sync',
      );
      await server.launch();
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
    return server;
  }

  async promote(): Promise<void> {
    await this.#pgCtl('promote');
  }

  /** The URL of a role; without a role that of the superuser. */
  url({ user = 'postgres', password = SUPERUSER_PASSWORD, database = 'postgres', query = '' } = {}): string {
    const login = password === '' ? user : `${user}:${encodeURIComponent(password)}`;
    return `postgres://${login}@127.0.0.1:${this.port}/${database}${query}`;
  }

  /** The folder of the unix socket. */
  get socketDir(): string {
    return this.#dir;
  }

  /** `options` of the server's command line come before postgresql.conf. */
  async launch(options: readonly string[] = []): Promise<void> {
    const line = ['-p', this.port, '-k', this.#dir, ...options].join(' ');
    await this.#pgCtl('start', '-l', join(this.#dir, 'log'), '-o', line);
  }

  /** `immediate` is a crash: clients get no message. */
  async halt(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#pgCtl('stop', '-m', mode);
  }

  /** Statements of the superuser, each a transaction of its own. */
  async sql(...statements: string[]): Promise<pg.QueryResult[]> {
    return withClient(this.url(), async (client) => {
      const results: pg.QueryResult[] = [];
      for (const statement of statements) results.push(await client.query(statement));
      return results;
    });
  }

  async stop(): Promise<void> {
    await this.halt('immediate').catch(() => undefined);
    await rm(this.#dir, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#dir, 'data');
  }

  async #initialize({ hba = [], tls, settings = [] }: PostgresServerOptions): Promise<void> {
    const { uid, gid } = this.#as;
    if (uid !== undefined && gid !== undefined) await chown(this.#dir, uid, gid);
    const passwordFile = join(this.#dir, 'superuser');
    await writeFile(passwordFile, SUPERUSER_PASSWORD);
    const options = ['-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', passwordFile];
    await this.#run('initdb', '-D', this.#data, ...options, '-E', 'UTF8', '--locale', 'C', '--no-sync');
    await writeFile(join(this.#data, 'pg_hba.conf'), [...hba, LISTENS, ''].join('\n'));
    const lines = ["listen_addresses = '127.0.0.1'", 'fsync = off', ...settings];
    if (tls !== undefined) lines.push(...(await this.#installTls(tls)));
    await appendFile(join(this.#data, 'postgresql.conf'), `${lines.join('\n')}\n`);
  }

  /** Copies that belong to the server's user: it refuses a key that others may read. */
  async #installTls({ server, caFile }: NonNullable<PostgresServerOptions['tls']>): Promise<string[]> {
    const folder = join(this.#dir, 'tls');
    await mkdir(folder);
    const install = async (from: string, name: string) => {
      const to = join(folder, name);
      await copyFile(from, to);
      await chmod(to, 0o600);
      if (this.#as.uid !== undefined) await chown(to, this.#as.uid, this.#as.gid ?? 0);
      return to;
    };
    return [
      'ssl = on',
      `ssl_cert_file = '${await install(server.certFile, 'server.pem')}'`,
      `ssl_key_file = '${await install(server.keyFile, 'server.key')}'`,
      `ssl_ca_file = '${await install(caFile, 'ca.pem')}'`,
    ];
  }

  #pgCtl(...args: string[]): Promise<void> {
    return this.#run('pg_ctl', '-D', this.#data, '-w', ...args);
  }

  /** Output goes nowhere: a server that inherits a pipe would keep it open. */
  async #run(program: string, ...args: string[]): Promise<void> {
    const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
    await run(
      '/bin/sh',
      ['-c', 'exec "$@" </dev/null >"$0" 2>&1', join(this.#dir, 'output'), join(this.#bin, program), ...args],
      {
        ...this.#as,
        env,
        cwd: this.#dir,
      },
    );
  }
}

/** Debian's user for the server, where this process is root; nothing otherwise. */
export async function unprivileged(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const id = async (flag: string) => Number((await run('id', [flag, ROOT_USER])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}
