/**
 * A view as pg_get_viewdef() prints it with an empty search_path, so that every name outside of pg_catalog is
 * qualified, parsed. PostgreSQL before 16 also qualifies the columns of a single source: the only difference between
 * versions.
 */
export interface ViewDefinition {
  /** Output column -> its expression. */
  readonly columns: Readonly<Record<string, string>>;
  /** Keyword (`FROM`, `GROUP BY`, ...) -> its text. */
  readonly clauses: Readonly<Record<string, string>>;
}

export interface ViewNames {
  /** The schema of our tables: its names are unqualified. */
  readonly schema: string;
  /** The schema of the extension: its functions are unqualified. */
  readonly extension: string;
  /** Renamed columns of the source: current name -> name in sql/. */
  readonly renamed?: ReadonlyMap<string, string> | undefined;
}

const IDENTIFIER = String.raw`(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`;
const LITERAL = String.raw`[Ee]?'(?:[^']|'')*'`;
const TOKEN = new RegExp(String.raw`${LITERAL}|${IDENTIFIER}(?:\.${IDENTIFIER})*|\s+|[^\s]`, 'g');
const PART = new RegExp(IDENTIFIER, 'g');
const CLAUSES = [
  ...['SELECT', 'FROM', 'WHERE', 'GROUP', 'HAVING', 'WINDOW', 'ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'FOR'],
  ...['UNION', 'INTERSECT', 'EXCEPT'],
];

export function parseView(definition: string, names: ViewNames): ViewDefinition {
  const clauses: Record<string, string> = {};
  for (const [keyword, tokens] of split(definition)) {
    const text = keyword === 'FROM' ? source(tokens, names) : expression(tokens, names);
    // The order of grouping does not matter.
    clauses[keyword] = keyword === 'GROUP BY' ? items(text).sort().join(', ') : text;
  }
  const { SELECT: selected = '', ...others } = clauses;
  const columns: Record<string, string> = {};
  for (const item of items(selected)) {
    const [, text = item, name = item] = /^([\s\S]+) AS (\S+)$/.exec(item) ?? [];
    columns[name.replace(/^"(.*)"$/, '$1')] = text;
  }
  return { columns, clauses: others };
}

/** Clauses in their order, each with its tokens; one space stands for any. */
function split(definition: string): readonly (readonly [string, readonly string[]])[] {
  const parts: [string, string[]][] = [['WITH', []]];
  let depth = 0;
  for (const [raw] of definition.replace(/;\s*$/, '').matchAll(TOKEN)) {
    const token = /^\s/.test(raw) ? ' ' : raw;
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (depth === 0 && CLAUSES.includes(token)) parts.push([token, []]);
    else parts.at(-1)?.[1].push(token);
  }
  return parts
    .filter(([, tokens]) => tokens.some((token) => token !== ' '))
    .map(([keyword, tokens]) =>
      tokens[1] === 'BY' ? [`${keyword} BY`, tokens.slice(2)] : [keyword, tokens],
    );
}

/** Its relation; an alias given by the query is ignored. */
function source(tokens: readonly string[], { schema }: ViewNames): string {
  const [relation = '', ...others] = tokens.filter((token) => token !== ' ');
  if (others.length > 1) return tokens.join('').trim();
  const parts = relation.match(PART) ?? [];
  return parts.length === 2 && unquoted(parts[0] ?? '') === schema ? (parts[1] ?? '') : relation;
}

function expression(tokens: readonly string[], { extension, renamed }: ViewNames): string {
  const own = (token: string, next: string | undefined): string => {
    if (!/^["A-Za-z_\u0080-\uffff]/.test(token) || /^[Ee]'/.test(token)) return token;
    const parts = token.match(PART) ?? [];
    const last = parts.at(-1) ?? token;
    if (next === '(') return parts.length === 2 && unquoted(parts[0] ?? '') === extension ? last : token;
    return parts.length > 2 ? token : (renamed?.get(unquoted(last)) ?? last);
  };
  return tokens
    .map((token, index) => own(token, tokens[index + 1]))
    .join('')
    .trim();
}

/** The text of an index or a constraint, with the column names of sql/. */
export const withNames = (text: string, renamed: ReadonlyMap<string, string>): string =>
  renamed.size === 0
    ? text
    : text.replace(TOKEN, (token) =>
        /^[Ee]?'/.test(token) ? token : (renamed.get(unquoted(token)) ?? token),
      );

export const unquoted = (identifier: string): string =>
  identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;

function items(list: string): string[] {
  const found: string[] = [];
  let [depth, item] = [0, ''];
  for (const [token] of list.matchAll(TOKEN)) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === ',' && depth === 0) {
      found.push(item.trim());
      item = '';
    } else item += token;
  }
  return [...found, item.trim()];
}
