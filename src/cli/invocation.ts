import { basename, dirname, isAbsolute, relative } from 'node:path';

export interface InvocationFacts {
  /** The script as Node was given it: `process.argv[1]`; a symbolic link is not resolved. */
  readonly script: string;
  readonly cwd: string;
  /** npm sets it for `npm run`, `npm exec` and npx. */
  readonly npmLifecycleEvent: string | undefined;
}

/** How the program was called: what a user types to run another of its commands. */
export function invocationOf({ script, cwd, npmLifecycleEvent }: InvocationFacts): string {
  const viaNpmBin = basename(dirname(script)) === '.bin';
  if (basename(script) === 'fieldwatch' && !viaNpmBin) return 'fieldwatch';
  if (viaNpmBin || npmLifecycleEvent !== undefined) return 'npx fieldwatch';
  const path = relative(cwd, script);
  return `node ${path.startsWith('..') || isAbsolute(path) ? script : path}`;
}

/** The configuration file that the arguments name, as they name it. */
export function configFileOf(argv: readonly string[]): string | undefined {
  for (const [index, argument] of argv.entries()) {
    if (argument === '--') return undefined;
    if (argument === '-c' || argument === '--config') return argv[index + 1];
    const joined = /^(?:--config=|-c(?=.))(.*)$/.exec(argument)?.[1];
    if (joined !== undefined) return joined;
  }
  return undefined;
}

export interface Invocation {
  /** Words before a command of this program: `fieldwatch`, `npx fieldwatch`. */
  readonly invocation: string;
  /** The configuration file of this call; without it a pasted command would read another one. */
  readonly configFile?: string | undefined;
}

/** A text that names commands as `fieldwatch …`, with the commands as they are called here, on the same configuration. */
export function withInvocation(text: string, { invocation, configFile }: Invocation): string {
  const option = configFile === undefined ? '' : ` -c ${shellWord(configFile)}`;
  return text.replace(
    /`fieldwatch ([^`]+)`/g,
    (_, command: string) => `\`${invocation} ${command}${option}\``,
  );
}

const shellWord = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
