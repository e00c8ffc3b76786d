#!/usr/bin/env node
// Imports nothing at the top and uses no syntax newer than Node 12, so that an old Node gets a sentence and not a SyntaxError.
import type * as Program from './cli/index.ts';

/** The oldest Node that runs the program; `engines` of package.json says the same. */
const LEAST_NODE = [20, 19] as const;

/** The commands of cli/config-program.ts. */
const CONFIG_COMMANDS: readonly string[] = ['check-config', 'print-config'];

/** For the reader of standard error to take the last lines. */
const LAST_LINES_MS = 1000;

/** A fault that a restart does not correct: the same as for the configuration. */
const EXIT_CONFIG = 2;

function isTooOld(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  return major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]);
}

/** Known reasons why the program's own files cannot be loaded, by the code of Node's error. */
const LOAD_FAULTS: Readonly<Record<string, { what: string; code: string; remedy: string }>> = {
  EMFILE: {
    what: 'the limit of open files is too low to load the program',
    code: 'OPEN_FILES_LIMIT',
    remedy: 'raise it to 1024 or more: ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of a container',
  },
  ERR_MODULE_NOT_FOUND: {
    what: 'the installation is incomplete',
    code: 'INSTALLATION_INCOMPLETE',
    remedy: 'run npm ci and npm run build in a checkout, or install the package again',
  },
};

/** Node itself comes to its end by this, with a stack trace: each memory of WebAssembly wants gigabytes of addresses. */
const NO_ADDRESSES = {
  pattern: /Cannot allocate Wasm memory/,
  what: 'the limit of the address space is too low',
  code: 'ADDRESS_SPACE_LIMIT',
  remedy:
    'lift it (ulimit -v, LimitAS= of systemd) and limit the memory itself (MemoryMax=, a container), or set NODE_OPTIONS=--disable-wasm-trap-handler',
};

function explainEnd({ message }: Error): void {
  const { pattern, what, code, remedy } = NO_ADDRESSES;
  if (pattern.test(message))
    fail(`fieldwatch: ${what}: ${message}\n  code: ${code}\n  remedy: ${remedy}`, EXIT_CONFIG);
}

function fail(text: string, code: number): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

async function main(): Promise<void> {
  process.on('uncaughtExceptionMonitor', explainEnd);
  let program: Pick<typeof Program, 'runProgram'>;
  try {
    program = CONFIG_COMMANDS.includes(process.argv[2] as string)
      ? await import('./cli/config-program.ts')
      : await import('./cli/index.ts');
  } catch (error) {
    const { code: nodeCode = '', message } = error as NodeJS.ErrnoException;
    const fault = LOAD_FAULTS[nodeCode];
    if (fault === undefined) throw error;
    const { what, code, remedy } = fault;
    return fail(`fieldwatch: ${what}: ${message}\n  code: ${code}\n  remedy: ${remedy}`, EXIT_CONFIG);
  }
  // A reader that goes away (`| head`) ends the command quietly.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const code = await program.runProgram(process.argv, process.env);
  // A pipe takes 64 KiB at a time: what waits behind a slow reader would be lost. A log without a reader
  // does not keep the process.
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  await Promise.race([
    new Promise<void>((resolve) => process.stderr.write('', () => resolve())),
    new Promise<void>((resolve) => setTimeout(resolve, LAST_LINES_MS)),
  ]);
  process.exit(code);
}

if (isTooOld(process.versions.node))
  fail(
    `fieldwatch: needs Node ${LEAST_NODE.join('.')} or newer, and this is ${process.version} (${process.execPath})`,
    EXIT_CONFIG,
  );
void main();
