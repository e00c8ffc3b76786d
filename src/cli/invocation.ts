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

/** A text that names commands as `fieldwatch …`, with the commands as they are called here. */
export const withInvocation = (text: string, invocation: string): string =>
  text.replaceAll('`fieldwatch ', `\`${invocation} `);
