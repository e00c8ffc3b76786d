import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cleanEnvironment, endChild, hasEnded } from './child-process.ts';
import { misnamedFields } from './log-fields.ts';

const MAIN = resolve('dist/main.js');

/** Well before the test's own timeout, which would not say what was waited for. */
const LOGGED_MS = 120_000;

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface DaemonOptions {
  /** Further settings of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `fieldwatch run` as its users run it: the compiled program in a process and a folder of its own. */
export class Daemon {
  readonly dir: string;
  readonly log: LogLine[] = [];
  private child: ChildProcess | undefined;
  private readonly events = new EventEmitter();
  private readonly options: DaemonOptions;

  private constructor(dir: string, options: DaemonOptions) {
    this.dir = dir;
    this.options = options;
  }

  /** Writes `config` into a new folder and starts. Resolves once the daemon is ready and subscribed. */
  static async start(config: string, options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = await Daemon.prepare(config, options);
    await daemon.launch();
    return daemon;
  }

  static async prepare(config: string, options: DaemonOptions = {}): Promise<Daemon> {
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-e2e-'));
    await writeFile(join(dir, 'fieldwatch.yaml'), config);
    return new Daemon(dir, options);
  }

  /** The configuration's path: for a reload, and for other commands. */
  get configFile(): string {
    return join(this.dir, 'fieldwatch.yaml');
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** Starts the process again in the same folder. */
  async launch(): Promise<void> {
    const started = this.log.length;
    this.spawn();
    await this.logged((line) => line.msg === 'ready', started);
    await this.logged((line) => line.msg === 'mqtt: subscribed', started);
  }

  /** Starts without waiting for anything. */
  spawn(): void {
    const child = spawn(process.execPath, [MAIN, 'run', '--config', this.configFile], {
      cwd: this.dir,
      env: cleanEnvironment(this.options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    let rest = '';
    child.stderr.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.log.push(parse(line));
      this.events.emit('change');
    });
    child.once('exit', () => this.events.emit('change'));
  }

  /** Resolves with the first log line from index `from` on that matches; rejects if the process ends before, or after two minutes. */
  async logged(matches: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    const lastLines = () => JSON.stringify(this.log.slice(-5), null, 1);
    const overdue = AbortSignal.timeout(LOGGED_MS);
    for (;;) {
      const found = this.log.slice(from).find(matches);
      if (found !== undefined) return found;
      if (this.child === undefined || hasEnded(this.child))
        throw new Error(`the daemon ended (${this.child?.exitCode}): ${lastLines()}`);
      await once(this.events, 'change', { signal: overdue }).catch((cause: unknown) => {
        throw new Error(`no such line within ${LOGGED_MS} ms, ${String(matches)}: ${lastLines()}`, { cause });
      });
    }
  }

  /** The lines of `alerts.log`, where the configuration names it as the alert log. */
  async alertLog(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const text = await readFile(join(this.dir, 'alerts.log'), 'utf8');
    // The file is there before its first line, and a line before its end.
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Sends a request to its HTTP server, where it has one: `http: { port: 0 }`. */
  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const port = String(this.log.findLast(({ msg }) => msg === 'ready')?.['http_port']);
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** Whether batches go to the database: a start on a busy machine may have found it away. Asked of its HTTP server. */
  async writesToDatabase(): Promise<boolean> {
    const { checks } = JSON.parse((await this.get('/readyz')).text) as {
      readonly checks: readonly { readonly name: string; readonly status: string }[];
    };
    return checks.every(({ name, status }) => !['database', 'spool'].includes(name) || status === 'ok');
  }

  /** What became of what it received; checked here that nothing is missing. */
  async conserved(): Promise<Readonly<Record<string, number>>> {
    const { text } = await this.get('/metrics');
    const found = [...text.matchAll(/^fieldwatch_ingest_items\{outcome="(\w+)"\} (\S+)$/gm)];
    const { received = 0, ...rest } = Object.fromEntries(
      found.map(([, outcome = '', value]) => [outcome, Number(value)]),
    );
    const sum = Object.values(rest).reduce((all, value) => all + value, 0);
    if (received !== sum) throw new Error(`received ${received}, and ${sum} accounted for`);
    return { received, ...rest };
  }

  /** Sends a signal and resolves with the exit code, or null where the signal ended it. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child === undefined) return null;
    await endChild(this.child, signal);
    return this.child.exitCode;
  }

  /** Resolves when the process has ended, by either side. */
  async ended(): Promise<number | null> {
    const { child } = this;
    if (child !== undefined && !hasEnded(child)) await once(child, 'exit');
    return child?.exitCode ?? null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    // The embedded server of a daemon that was killed may be at its last writes.
    await rm(this.dir, { recursive: true, force: true, maxRetries: 10 });
    const misnamed = this.log.filter((line) => misnamedFields(line).length > 0);
    if (misnamed.length > 0) throw new Error(`fields not in snake_case: ${JSON.stringify(misnamed)}`);
  }
}

function parse(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { level: 'text', msg: line };
  }
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of the compiled program to its end. */
export async function fieldwatch(
  args: readonly string[],
  options: { cwd?: string; input?: string; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
