/**
 * As much SQL as the gateway has to understand: where statements and words begin and end, so that comments, quoting and
 * case cannot hide a COPY FROM STDIN or make one up. Not a parser: the engine has the last word on every statement.
 */

export type TokenKind = 'word' | 'quoted' | 'literal' | 'number' | 'parameter' | 'punctuation';

export interface Token {
  readonly kind: TokenKind;
  /** Words in lower case; everything else as written. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /--[^\n]*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\d[\w.]*/y;
const PARAMETER = /\$\d+/y;
const QUOTED = /(?:[uU]&)?"(?:[^"]|"")*"?/y;
const ESCAPE_LITERAL = /[eE]'(?:[^'\\]|\\[\s\S]|'')*'?/y;
const LITERAL = /(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'?/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

const MATCHERS: readonly (readonly [TokenKind, RegExp])[] = [
  ['literal', ESCAPE_LITERAL],
  ['literal', LITERAL],
  ['quoted', QUOTED],
  ['word', WORD],
  ['number', NUMBER],
  ['parameter', PARAMETER],
];

function match(pattern: RegExp, sql: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : -1;
}

/** The end of a block comment that starts at `at`; they nest in PostgreSQL. */
function blockCommentEnd(sql: string, at: number): number {
  let depth = 1;
  let i = at + 2;
  while (i < sql.length && depth > 0) {
    const mark = sql.slice(i, i + 2);
    if (mark === '/*') depth++;
    else if (mark === '*/') depth--;
    i += mark === '/*' || mark === '*/' ? 2 : 1;
  }
  return i;
}

function skipBlank(sql: string, from: number): number {
  let at = from;
  for (;;) {
    let end = match(SPACE, sql, at);
    if (end < 0) end = match(LINE_COMMENT, sql, at);
    if (end < 0 && sql.startsWith('/*', at)) end = blockCommentEnd(sql, at);
    if (end < 0) return at;
    at = end;
  }
}

function tokenAt(sql: string, start: number): Token {
  const tagEnd = match(DOLLAR_TAG, sql, start);
  if (tagEnd > 0) {
    const tag = sql.slice(start, tagEnd);
    const close = sql.indexOf(tag, tagEnd);
    const end = close < 0 ? sql.length : close + tag.length;
    return { kind: 'literal', text: sql.slice(start, end), start, end };
  }
  for (const [kind, pattern] of MATCHERS) {
    const end = match(pattern, sql, start);
    if (end > start) {
      const text = sql.slice(start, end);
      return { kind, text: kind === 'word' ? text.toLowerCase() : text, start, end };
    }
  }
  return { kind: 'punctuation', text: sql[start]!, start, end: start + 1 };
}

/** All statements of a query text, each as its tokens; empty ones are left out. */
export function statements(sql: string): Token[][] {
  const found: Token[][] = [];
  let current: Token[] = [];
  for (let at = skipBlank(sql, 0); at < sql.length; at = skipBlank(sql, at)) {
    const token = tokenAt(sql, at);
    at = token.end;
    if (token.kind === 'punctuation' && token.text === ';') {
      if (current.length > 0) found.push(current);
      current = [];
    } else {
      current.push(token);
    }
  }
  if (current.length > 0) found.push(current);
  return found;
}

/** The words of a statement outside parentheses, in order: `COPY t (a, "from") FROM STDIN` -> copy t from stdin. */
export function topWords(tokens: readonly Token[]): string[] {
  const words: string[] = [];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'punctuation' && (token.text === '(' || token.text === '[')) depth++;
    else if (token.kind === 'punctuation' && (token.text === ')' || token.text === ']')) depth--;
    else if (depth === 0 && token.kind === 'word') words.push(token.text);
  }
  return words;
}
