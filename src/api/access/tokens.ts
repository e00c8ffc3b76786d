import { createHash, timingSafeEqual } from 'node:crypto';
import { parse } from 'yaml';
import { FieldwatchError } from '../../core/errors.ts';
import * as z from '../../core/schema/zod.ts';
import type { Role } from './caller.ts';

export interface Token {
  readonly name: string;
  readonly role: Role;
  /** The token itself is not kept. */
  readonly digest: Buffer;
}

/** Random characters of the shortest token: too many to guess. */
const LEAST = 20;
const MOST_TOKENS = 1000;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@+-]{0,63}$/u;
const ROLES = ['viewer', 'operator'] as const;

const documentSchema = z.strictObject({
  tokens: z.array(z.strictObject({ name: z.string(), role: z.string(), token: z.string() })),
});

/**
 * The text of `http.token_file`: lines of name, role and token, or YAML (`tokens: [{ name, role, token }]`). No message
 * quotes a token.
 */
export function parseTokens(text: string, file: string): readonly Token[] {
  const lines = text.split(/\r?\n/).map((line, at) => ({ line: line.trim(), at: at + 1 }));
  const filled = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
  const rows = filled.every(({ line }) => LINE.test(line))
    ? filled.map(({ line, at }) => {
        const [, name = '', role = '', token = ''] = LINE.exec(line) ?? [];
        return { name: name.trim(), role, token, where: `line ${at}` };
      })
    : readYaml(text, file);
  if (rows.length === 0) throw invalid(file, 'it has no token');
  if (rows.length > MOST_TOKENS) throw invalid(file, `it has more than ${MOST_TOKENS} tokens`);
  const tokens = rows.map((row) => toToken(row, file));
  const twice = tokens.find(({ name }, at) => tokens.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined) throw invalid(file, `the name ${twice.name} is there twice`);
  const same = tokens.find(
    ({ digest }, at) => tokens.findIndex((other) => other.digest.equals(digest)) !== at,
  );
  if (same !== undefined) throw invalid(file, `${same.name} has the token of another name`);
  return tokens;
}

/** A name may have blanks; role and token have none. A colon is YAML. */
const LINE = /^([^:{}[\]]+?)\s+(\S+)\s+([^\s:]+)$/;

interface Row {
  readonly name: string;
  readonly role: string;
  readonly token: string;
  readonly where: string;
}

function readYaml(text: string, file: string): readonly Row[] {
  let document: unknown;
  try {
    document = parse(text, { logLevel: 'silent' });
  } catch {
    throw invalid(file, 'it is neither lines of name, role and token nor YAML');
  }
  const read = documentSchema.safeParse(document);
  if (!read.success)
    throw invalid(
      file,
      'expected lines of name, role and token, or YAML: tokens: [{ name: …, role: viewer, token: … }]',
    );
  return read.data.tokens.map((row, at) => ({ ...row, where: `tokens[${at}]` }));
}

function toToken({ name, role, token, where }: Row, file: string): Token {
  if (!NAME.test(name))
    throw invalid(file, `${where}: the name has to be 1 to 64 letters, digits, blanks or any of . _ @ + -`);
  const known = ROLES.find((each) => each === role);
  if (known === undefined) throw invalid(file, `${where} (${name}): the role is neither viewer nor operator`);
  if (token.length < LEAST || token.length > 512 || new Set(token).size < 8 || !/^[\x21-\x7e]+$/.test(token))
    throw invalid(file, `${where} (${name}): the token has to be ${LEAST} to 512 random ASCII characters`);
  return { name, role: known, digest: digestOf(token) };
}

const invalid = (file: string, what: string) =>
  new FieldwatchError(`http.token_file: ${file}: ${what}`, {
    code: 'HTTP_TOKENS_INVALID',
    kind: 'config',
    remedy: 'One token a line, name role token: echo "anna operator $(openssl rand -hex 24)" >> the file.',
  });

export const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** The tokens of now. They are replaced at a reload. */
export class Tokens {
  #list: readonly Token[];

  constructor(list: readonly Token[] = []) {
    this.#list = list;
  }

  get size(): number {
    return this.#list.length;
  }

  replace(list: readonly Token[]): void {
    this.#list = list;
  }

  /** Takes as long whichever it is, and whether it is one. */
  find(candidate: string): Token | undefined {
    const digest = digestOf(candidate);
    let found: Token | undefined;
    for (const token of this.#list) if (timingSafeEqual(token.digest, digest)) found = token;
    return found;
  }

  /** Whether this one still is in force, with the role that it has now. */
  current({ name, digest }: Token): Token | undefined {
    return this.#list.find((token) => token.name === name && token.digest.equals(digest));
  }
}
