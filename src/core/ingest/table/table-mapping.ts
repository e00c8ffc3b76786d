import { FieldwatchError } from '../../errors.ts';
import { MetricValues } from '../../metric-values.ts';
import { CORE_METRICS, type Micros, type Reading, type RejectCode } from '../../reading.ts';
import { hint } from '../../did-you-mean.ts';
import { DEVICE_KEYS, readDevice } from '../mapping/device.ts';
import { type TimeUnit, parseTime } from '../mapping/instant.ts';
import { TIME_KEYS } from '../mapping/time.ts';
import { mappedNumber } from '../mapping/value.ts';
import { UTC } from '../mapping/zone.ts';

/** A time that its file gives as such. */
export interface FileTime {
  readonly timeUs: Micros;
}

/** How the columns of a table become readings. */
export interface TableOptions {
  /** `sensor`, `time`, `location`, `metric`, `value` or the name of a metric, to the name of its column. */
  readonly map: ReadonlyMap<string, string>;
  /** Columns that are left out. */
  readonly ignore: ReadonlySet<string>;
  /** The sensor of all rows, where no column names it. */
  readonly sensor?: string | undefined;
  /** Unit of times that are numbers. */
  readonly timeUnit: TimeUnit;
  /** How far from now a time may be, as for messages. */
  readonly maxPastUs: Micros;
  readonly maxFutureUs: Micros;
}

/** Result of a row of a table: a reading, nothing (all its values are empty), or a fault as of a message. */
export type TableResult = Reading | 'empty' | RowFault;

interface RowFault {
  readonly code: RejectCode;
  readonly detail: string;
}

const ROLES = ['sensor', 'time', 'location', 'metric', 'value'] as const;
type Role = (typeof ROLES)[number];

/** Names that columns have where `--map` says nothing, in order of preference; any case. */
const USUAL: Readonly<Record<Role, readonly string[]>> = {
  sensor: [...DEVICE_KEYS, 'key', 'host'],
  time: [...TIME_KEYS, 'datetime', 'date', '_time'],
  location: ['location'],
  metric: ['metric', '_field'],
  value: ['value', '_value'],
};

/** Reads the rows of tables with these columns. */
export interface TableReader {
  /** `nowUs`: the present, which bounds times. */
  read(row: readonly unknown[], nowUs: Micros): TableResult;
  /** Columns by what they are: for a dry run. */
  readonly roles: Readonly<Partial<Record<Role, string>>>;
  readonly metrics: readonly { readonly column: string; readonly metric: string }[];
}

/** The columns of a table. */
export interface TableColumns {
  readonly names: readonly string[];
  /** Columns that are no metrics by themselves. */
  readonly labels?: readonly string[] | undefined;
}

/**
 * Throws IMPORT_MAP where the columns do not say what is whose; unless `lenient`, of a later part of a file whose rows have different
 * columns: there the rows lack what their columns lack.
 */
export function compileTable(columns: TableColumns, options: TableOptions, lenient = false): TableReader {
  const { names } = columns;
  const roles = rolesOf(columns, options, lenient);
  const long = roles.metric !== undefined && roles.value !== undefined;
  const metrics = long ? [] : metricsOf(columns, options, roles);
  if (lenient) return readerOf(names, options, { roles, long, metrics });
  if (roles.time === undefined) throw missing('time', names);
  if (roles.sensor === undefined && options.sensor === undefined) throw missing('sensor', names);
  if (!long && metrics.length === 0)
    throw fault(`no column is a metric: ${names.join(', ')}`, 'Name one: --map temperature=COLUMN.');
  return readerOf(names, options, { roles, long, metrics });
}

function readerOf(
  names: readonly string[],
  options: TableOptions,
  { roles, long, metrics }: Pick<TableReader, 'roles' | 'metrics'> & { readonly long: boolean },
): TableReader {
  const at = (role: Role): number => (roles[role] === undefined ? -1 : names.indexOf(roles[role]));
  const reader = new Reader(options, {
    ...{ sensor: at('sensor'), time: at('time'), location: at('location') },
    ...{ metric: long ? at('metric') : -1, value: long ? at('value') : -1 },
    metrics: metrics.map(({ column, metric }) => ({ at: names.indexOf(column), metric })),
  });
  return { read: (row, nowUs) => reader.read(row, nowUs), roles, metrics };
}

function rolesOf(
  { names, labels = [] }: TableColumns,
  { map, ignore, sensor }: TableOptions,
  lenient: boolean,
): Partial<Record<Role, string>> {
  for (const column of [...map.values(), ...ignore])
    if (!lenient && !names.includes(column))
      throw fault(`there is no column ${JSON.stringify(column)}${hint(column, names)}`);
  const taken = new Set([...map.values(), ...ignore]);
  const roles: Partial<Record<Role, string>> = {};
  for (const role of ROLES) {
    const given = map.get(role);
    const measurement = role === 'sensor' && labels.includes('measurement') ? 'measurement' : undefined;
    const found = given ?? usual(names, role, taken) ?? measurement;
    if (found === undefined || (role === 'sensor' && given === undefined && sensor !== undefined)) continue;
    roles[role] = found;
    taken.add(found);
  }
  // One without the other is a metric called so.
  if (roles.metric === undefined || roles.value === undefined) {
    delete roles.metric;
    if (map.get('value') === undefined) delete roles.value;
  }
  return roles;
}

function usual(names: readonly string[], role: Role, taken: ReadonlySet<string>): string | undefined {
  for (const wanted of USUAL[role]) {
    const found = names.find((name) => name.toLowerCase() === wanted.toLowerCase() && !taken.has(name));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Every other column that has a name; core metrics in their own spelling. */
function metricsOf(
  { names, labels = [] }: TableColumns,
  { map, ignore }: TableOptions,
  roles: Partial<Record<Role, string>>,
): readonly { column: string; metric: string }[] {
  const used = new Set<string>(Object.values(roles));
  const renamed = new Map(
    [...map].filter(([to]) => !(ROLES as readonly string[]).includes(to)).map(([to, from]) => [from, to]),
  );
  return names.flatMap((column) => {
    if (used.has(column) || ignore.has(column) || column === '') return [];
    if (labels.includes(column) && !renamed.has(column)) return [];
    const core = CORE_METRICS.find((name) => name === column.toLowerCase());
    return [{ column, metric: renamed.get(column) ?? core ?? column }];
  });
}

interface Places {
  readonly sensor: number;
  readonly time: number;
  readonly location: number;
  readonly metric: number;
  readonly value: number;
  readonly metrics: readonly { readonly at: number; readonly metric: string }[];
}

const isEmpty = (value: unknown): boolean => value === null || value === undefined || value === '';

class Reader {
  readonly #options: TableOptions;
  readonly #places: Places;
  /** Neighbouring rows mostly have the same time. */
  #lastTime: unknown;
  #lastUs: Micros | undefined;
  /** Keys that were checked, a bounded memory. */
  readonly #keys = new Map<unknown, string>();

  constructor(options: TableOptions, places: Places) {
    this.#options = options;
    this.#places = places;
  }

  read(row: readonly unknown[], nowUs: Micros): TableResult {
    const { sensor, location: placeAt } = this.#places;
    const metrics = this.#metrics(row);
    if (!(metrics instanceof MetricValues)) return metrics;
    if (metrics.size === 0) return 'empty';
    const device = this.#device(sensor < 0 ? this.#options.sensor : row[sensor]);
    if (typeof device !== 'string') return device;
    const timeUs = this.#time(row[this.#places.time], nowUs);
    if (typeof timeUs !== 'number') return timeUs;
    const place = placeAt < 0 ? undefined : row[placeAt];
    const location = typeof place === 'string' && place !== '' ? place : undefined;
    return { device, timeUs, location, stamped: false, metrics };
  }

  #metrics(row: readonly unknown[]): MetricValues | RowFault | 'empty' {
    const { metric, value, metrics } = this.#places;
    const values = new MetricValues();
    if (metric >= 0) {
      const name = row[metric];
      if (isEmpty(row[value])) return 'empty';
      if (typeof name !== 'string' || name === '')
        return { code: 'no_metrics', detail: 'the column of the metric is empty' };
      const number = numberOf(row[value]);
      if (number === undefined) return notANumber(name, row[value]);
      return values.set(name, number);
    }
    for (const place of metrics) {
      const raw = row[place.at];
      if (isEmpty(raw)) continue;
      const number = numberOf(raw);
      if (number === undefined) return notANumber(place.metric, raw);
      values.set(place.metric, number);
    }
    return values;
  }

  #device(raw: unknown): string | RowFault {
    const known = this.#keys.get(raw);
    if (known !== undefined) return known;
    const device = readDevice(isEmpty(raw) ? undefined : typeof raw === 'bigint' ? Number(raw) : raw);
    if (typeof device !== 'string') return { code: device.fault, detail: `sensor ${textOf(raw)}` };
    if (this.#keys.size >= 100_000) this.#keys.clear();
    this.#keys.set(raw, device);
    return device;
  }

  #time(raw: unknown, nowUs: Micros): Micros | RowFault {
    if (raw !== this.#lastTime || this.#lastUs === undefined) {
      this.#lastTime = raw;
      this.#lastUs = isFileTime(raw) ? raw.timeUs : parseTime(raw, this.#options.timeUnit, UTC);
    }
    const timeUs = this.#lastUs;
    if (timeUs === undefined) return { code: 'bad_time', detail: `time ${textOf(raw)}` };
    const { maxPastUs, maxFutureUs } = this.#options;
    if (timeUs >= nowUs - maxPastUs && timeUs <= nowUs + maxFutureUs) return timeUs;
    return { code: 'time_out_of_range', detail: `time ${textOf(raw)}` };
  }
}

const isFileTime = (value: unknown): value is FileTime =>
  typeof value === 'object' && value !== null && 'timeUs' in value;

/** As of a metric that a route names: numbers and text; and booleans as 1 and 0. */
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'boolean' ? Number(value) : mappedNumber(value);

const textOf = (value: unknown): string =>
  (isFileTime(value) ? `${value.timeUs} µs` : String(value)).slice(0, 100);
const notANumber = (metric: string, value: unknown): RowFault => ({
  code: 'not_a_number',
  detail: `${metric} is ${JSON.stringify(textOf(value))}`,
});

const missing = (role: Role, names: readonly string[]) =>
  fault(
    `no column is the ${role}: ${names.join(', ')}`,
    `Name it: --map ${role}=COLUMN${role === 'sensor' ? ', or --sensor KEY for all rows' : ''}.`,
  );

const fault = (
  message: string,
  remedy = 'See `fieldwatch import --help`; --dry-run shows what becomes of the columns.',
) => new FieldwatchError(`import: ${message}`, { code: 'IMPORT_MAP', kind: 'config', remedy });
