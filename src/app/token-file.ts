import { statSync } from 'node:fs';
import { type Token, parseTokens } from '../api/access/tokens.ts';
import type { Config } from '../config/schema/index.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { secretNow } from '../lib/secret-file.ts';

/** Others may not read it, and only its owner may change it; a group may read it, as that of a mounted secret does. */
const FORBIDDEN_MODE = 0o027;

/** The tokens of `http.token_file` as it is now. Throws a fault of the configuration. */
export function readTokenFile({ http }: Pick<Config, 'http'>): readonly Token[] {
  const { token_file: file, enabled, api } = http;
  if (file === undefined || !enabled || !api) return [];
  return parseTokens(readGuarded(file), file);
}

function readGuarded(file: string): string {
  try {
    const mode = statSync(file).mode & 0o777;
    if (process.platform !== 'win32' && (mode & FORBIDDEN_MODE) !== 0)
      throw new FieldwatchError(
        `http.token_file: ${file} has mode ${mode.toString(8)}: others can read or change it`,
        { code: 'HTTP_TOKENS_EXPOSED', kind: 'config', remedy: `chmod 600 ${file}, and replace its tokens` },
      );
    return secretNow(undefined, file) ?? '';
  } catch (cause) {
    if (cause instanceof FieldwatchError) throw cause;
    throw new FieldwatchError(`http.token_file: cannot read ${file}: ${messageOf(cause)}`, {
      ...{ code: 'HTTP_TOKENS_INVALID', kind: 'config', cause },
      remedy: 'Check the path, and that the user of the daemon may read it.',
    });
  }
}
