import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { DASHBOARDS, targetsOf } from '../../support/dashboards.ts';

const root = join(import.meta.dirname, '../../..');
const text = (file: string) => readFileSync(join(root, file), 'utf8');

const declared = new Set(
  readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => text(join('src', file)).match(/'fieldwatch_[a-z0-9_]+'/g) ?? [])
    .map((quoted) => quoted.slice(1, -1)),
);
/** Names of the daemon's metrics in an expression; those of a histogram without their suffix. Labels of `by` are no metrics. */
const metricsOf = (expr: string) =>
  (expr.match(/(?<![\w:])fieldwatch_[a-z0-9_]+(?![\w:])/g) ?? []).map((name) =>
    declared.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''),
  );

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity: string };
  readonly annotations?: { readonly summary: string };
}
const { groups } = parse(text('config/prometheus/rules.yml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap(({ rules }) => rules);

describe.each(DASHBOARDS)('dashboard $file', (dashboard) => {
  test('its panels have ids of their own, lie beside each other, and none is empty', () => {
    const cells = new Set<string>();
    for (const { gridPos, title } of dashboard.panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, x < 24, cells.has(`${x},${y}`)]).toEqual([title, true, false]);
          cells.add(`${x},${y}`);
        }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { type, targets = [] } of dashboard.panels)
      if (type !== 'row') expect(targets.length).toBeGreaterThan(0);
  });

  test('its data sources are provisioned, its variables declared', () => {
    const { datasources } = parse(text('config/grafana/provisioning/datasources/fieldwatch.yaml')) as {
      datasources: { uid: string }[];
    };
    const names = dashboard.templating.list.map(({ name }) => name);
    for (const [title, { datasource, rawSql = '', expr = '' }] of targetsOf(dashboard)) {
      expect(datasources.map(({ uid }) => uid)).toContain(datasource.uid);
      const used = [...`${rawSql} ${expr}`.matchAll(/\$\{?(?!__)(\w+)/g)].map(([, name]) => name);
      for (const name of used) expect([title, names]).toEqual([title, expect.arrayContaining([name])]);
      // A variable in quotes, or without the format that quotes it, would let the name of a sensor be SQL.
      expect([title, rawSql.replaceAll(/\$\{\w+:sqlstring\}|\$__\w+/g, '')]).toEqual([
        title,
        expect.not.stringContaining('$'),
      ]);
    }
  });

  test('its metrics are those of the daemon', () => {
    for (const [title, { expr = '' }] of targetsOf(dashboard))
      for (const name of metricsOf(expr))
        expect([title, name, declared.has(name)]).toEqual([title, name, true]);
  });
});

test.each(['readings', 'metrics'])(
  'what is kept as sensor_%s is drawn, with its figures of hours and days',
  (kind) => {
    const sql = DASHBOARDS.flatMap(targetsOf).map(([, { rawSql = '' }]) => rawSql);
    const prefix = kind === 'readings' ? 'sensor' : `sensor_${kind}`;
    for (const relation of [`sensor_${kind}`, `${prefix}_hourly_agg`, `${prefix}_daily_agg`])
      expect([relation, sql.some((text) => new RegExp(`FROM ${relation}\\b`).test(text))]).toEqual([
        relation,
        true,
      ]);
  },
);

test('each dashboard has a uid and a title of its own', () => {
  expect(new Set(DASHBOARDS.map(({ uid }) => uid)).size).toBe(DASHBOARDS.length);
  expect(DASHBOARDS.length).toBe(4);
});

describe('rules of Prometheus', () => {
  test('are about metrics of the daemon, or recorded before', () => {
    const recorded = rules.flatMap(({ record }) => record ?? []);
    for (const { expr, alert, record } of rules) {
      for (const name of metricsOf(expr))
        expect([alert ?? record, name, declared.has(name)]).toEqual([alert ?? record, name, true]);
      for (const name of expr.match(/\w+:\w+:\w+/g) ?? []) expect(recorded).toContain(name);
    }
  });

  test('say how severe it is and what it is', () => {
    for (const { alert, labels, annotations } of rules.filter(({ alert }) => alert !== undefined)) {
      expect(['warning', 'critical']).toContain(labels?.severity);
      expect([alert, annotations?.summary.length]).not.toEqual([alert, 0]);
    }
  });

  test('each metric that the page calls worth an alarm has one', () => {
    const page = text('docs/operations.md');
    const table = page.slice(page.indexOf('## Metrics worth an alarm'), page.indexOf('## The log'));
    const rows = [...table.matchAll(/^\| (`fieldwatch_.*?) \| (.*) \|$/gm)];
    expect(rows.length).toBeGreaterThan(10);
    const watched = new Set(
      rules
        .filter(({ alert }) => alert !== undefined)
        .flatMap(({ expr }) => metricsOf(expr.replaceAll(/\w+:(\w+):\w+/g, '$1'))),
    );
    for (const [, names = '', when = ''] of rows) {
      // A check of the policies does it.
      if (when.includes('check evaluates')) continue;
      for (const name of metricsOf(names)) expect([name, watched.has(name)]).toEqual([name, true]);
    }
  });
});
