import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../config/grafana/dashboards');

export interface Target {
  readonly refId: string;
  readonly datasource: { readonly uid: string };
  readonly rawSql?: string;
  readonly expr?: string;
  readonly format?: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly Target[];
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly target: Target }[] };
}

export const DASHBOARDS: readonly Dashboard[] = readdirSync(FOLDER).map((file) => ({
  file,
  ...(JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Omit<Dashboard, 'file'>),
}));

/** Each query of a dashboard with a title: of panels, annotations and variables. */
export function targetsOf({ panels, annotations, templating }: Dashboard): [title: string, Target][] {
  return [
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map((target): [string, Target] => [`${title} (${target.refId})`, target]),
    ),
    ...annotations.list.map(({ name, target }): [string, Target] => [`annotation ${name}`, target]),
    ...templating.list.flatMap(({ name, query }): [string, Target][] =>
      typeof query === 'string' && query.startsWith('SELECT')
        ? [[`variable ${name}`, { refId: 'V', datasource: { uid: 'fieldwatch-timescaledb' }, rawSql: query }]]
        : [],
    ),
  ];
}

/** As Grafana puts macros and variables in before it sends a query. */
export function filled(
  sql: string,
  {
    from,
    to,
    intervalMs,
    variables,
  }: { from: Date; to: Date; intervalMs: number; variables: Record<string, readonly string[]> },
): string {
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const [fromText, toText] = [from, to].map((time) => text(time.toISOString()));
  return sql
    .replaceAll(/\$__timeFilter\(([^)]*)\)/g, (_, column) => `${column} BETWEEN ${fromText} AND ${toText}`)
    .replaceAll('$__timeFrom()', `${fromText}`)
    .replaceAll('$__timeTo()', `${toText}`)
    .replaceAll('$__interval_ms', String(intervalMs))
    .replaceAll(/\$\{(\w+):sqlstring\}/g, (_, name: string) => (variables[name] ?? []).map(text).join(','));
}
