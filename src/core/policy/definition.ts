/**
 * What sql/ creates, as far as the program depends on it; a test compares the two on a migrated database. Columns that
 * somebody added are nobody's business, unless a row can no longer be written without them.
 */
export interface TableDefinition {
  /** Column -> type, as format_type() prints it. */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns of the unique index that makes writing the same row twice a no-op. */
  readonly key: readonly string[] | undefined;
}

/** Output column -> the expression it must have. */
export interface ViewDefinition {
  readonly source: string;
  readonly columns: Readonly<Record<string, string>>;
}

const [TIME, FLOAT, INT, TEXT, BOOL] = [
  'timestamp with time zone',
  'double precision',
  'integer',
  'text',
  'boolean',
] as const;

export const TABLES: Readonly<Record<string, TableDefinition>> = {
  sensor_readings: {
    columns: {
      ...{ time: TIME, sensor_id: INT, temperature: FLOAT, humidity: FLOAT, pressure: FLOAT, battery: FLOAT },
      rssi: INT,
    },
    key: ['sensor_id', 'time'],
  },
  sensor_metrics: {
    columns: { time: TIME, sensor_id: INT, metric_id: INT, value: FLOAT },
    key: ['sensor_id', 'metric_id', 'time'],
  },
  sensor_alerts: {
    columns: {
      ...{ time: TIME, sensor_id: INT, alert_type: TEXT, message: TEXT, value: FLOAT, threshold: FLOAT },
      ...{ alert_id: 'uuid', severity: TEXT, started_at: TIME, resolved_at: TIME, resolved_value: FLOAT },
      ...{ resolve_reason: TEXT, peak_value: FLOAT, acked_at: TIME, acked_by: TEXT, suppressed: TEXT },
      ...{ flapping: BOOL, backfilled: BOOL, rule_hash: TEXT, metric: TEXT, kind: TEXT, side: TEXT },
    },
    key: ['sensor_id', 'time', 'metric', 'kind', 'side'],
  },
  dead_letters: {
    columns: { received_at: TIME, id: 'uuid', topic: TEXT, payload: 'bytea', reason: TEXT, detail: TEXT },
    key: ['id', 'received_at'],
  },
  app_metrics: {
    columns: { time: TIME, host: TEXT, metric_name: TEXT, value: FLOAT, tags: 'jsonb' },
    key: undefined,
  },
};

/** Columns that are summarized: name within the aggregates, column of the readings. */
const METRICS = [
  ['temp', 'temperature'],
  ['humidity', 'humidity'],
  ['pressure', 'pressure'],
  ['battery', 'battery'],
  ['rssi', 'rssi'],
] as const;

function hourlyColumns(): Record<string, string> {
  const columns: Record<string, string> = { hour: "time_bucket('1 hour', time)", sensor_id: 'sensor_id' };
  for (const [name, column] of METRICS) {
    const functions = name === 'rssi' ? ['avg', 'sum', 'count'] : ['avg', 'min', 'max', 'sum', 'count'];
    for (const call of functions) columns[`${call}_${name}`] = `${call}(${column})`;
  }
  return {
    ...columns,
    last_battery: 'last(battery, time) filter (where battery is not null)',
    readings: 'count(*)',
    last_time: 'max(time)',
  };
}

function dailyColumns(): Record<string, string> {
  const columns: Record<string, string> = { day: "time_bucket('1 day', hour)", sensor_id: 'sensor_id' };
  for (const [name] of METRICS) {
    // Weighted: an average of averages is wrong as soon as the hours have different numbers of readings.
    columns[`avg_${name}`] = `sum(sum_${name}) / nullif(sum(count_${name}), 0)`;
    columns[`sum_${name}`] = `sum(sum_${name})`;
    columns[`count_${name}`] = `sum(count_${name})`;
    if (name !== 'rssi')
      for (const call of ['min', 'max']) columns[`${call}_${name}`] = `${call}(${call}_${name})`;
  }
  return {
    ...columns,
    last_battery: 'last(last_battery, last_time) filter (where last_battery is not null)',
    readings: 'sum(readings)',
    last_time: 'max(last_time)',
  };
}

export const VIEWS: Readonly<Record<string, ViewDefinition>> = {
  sensor_hourly_agg: { source: 'sensor_readings', columns: hourlyColumns() },
  sensor_daily_agg: { source: 'sensor_hourly_agg', columns: dailyColumns() },
};

/**
 * An expression without what PostgreSQL versions print differently: table names before columns, casts, parentheses,
 * quotes, spaces, and the spelling of the two bucket widths.
 */
export function normalExpression(expression: string): string {
  return expression
    .toLowerCase()
    .replaceAll("'01:00:00'", "'1 hour'")
    .replace(/::(double precision|timestamp with time zone|[a-z]+)/g, '')
    .replace(/"/g, '')
    .replace(/\b[a-z_][a-z0-9_]*\.(?=[a-z_])/g, '')
    .replace(/[()\s]/g, '');
}

/** Columns and source of a view's definition as PostgreSQL prints it; undefined if it is none that we would write. */
export function parseView(definition: string): ViewDefinition | undefined {
  const match = /^\s*SELECT\s+([\s\S]+?)\s+FROM\s+([\w."]+)\s+GROUP BY\s/i.exec(definition);
  if (match === null) return undefined;
  const columns: Record<string, string> = {};
  for (const item of topLevelItems(match[1] ?? '')) {
    const named = /^([\s\S]+)\s+AS\s+"?(\w+)"?$/i.exec(item);
    const bare = /(\w+)"?$/.exec(item);
    columns[named?.[2] ?? bare?.[1] ?? item] = normalExpression(named?.[1] ?? item);
  }
  return { source: (match[2] ?? '').replaceAll('"', '').replace(/^.*\./, ''), columns };
}

function topLevelItems(list: string): readonly string[] {
  const items: string[] = [];
  let [depth, from] = [0, 0];
  for (let at = 0; at < list.length; at++) {
    if (list[at] === '(') depth += 1;
    if (list[at] === ')') depth -= 1;
    if (list[at] !== ',' || depth > 0) continue;
    items.push(list.slice(from, at).trim());
    from = at + 1;
  }
  return [...items, list.slice(from).trim()];
}
