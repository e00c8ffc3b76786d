import { toSignificant } from '../../format-number.ts';
import type { Micros } from '../../reading.ts';
import type { MessageContext } from '../mapping/context.ts';
import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { type Element, NO_METRICS } from '../mapping/draft.ts';
import { shiftDecimal } from '../mapping/instant.ts';
import { mappedNumber } from '../mapping/value.ts';

/** Base fields hold for the records behind them (RFC 8428 section 4.1); CBOR writes them as integers (section 6). */
const LABELS = {
  bver: '-1',
  bn: '-2',
  bt: '-3',
  bu: '-4',
  bv: '-5',
  bs: '-6',
  n: '0',
  u: '1',
  v: '2',
  vb: '4',
  s: '5',
  t: '6',
} as const;

const VERSION = 10;
// Section 4.5.3: smaller times count from now.
const RELATIVE_BELOW_US: Micros = 2 ** 28 * 1e6;

/** RFC 9039: `urn:dev:mac:0024befffe804ff1`; what follows it is a part of the device. */
const DEVICE_URN = /^urn:dev:[^:/]+:[^:/]+/;
const LEADING = /^[:/;._-]+/;
const TRAILING = /[:/;._-]+$/;

export class UnsupportedSenml extends Error {}

/** Resolves the records of one pack, in order. */
export class SenmlResolver {
  private readonly context: MessageContext;
  private readonly severalDevices: boolean;
  private name = '';
  private timeUs: Micros = 0;
  private unit: string | undefined;
  private value = 0;
  private sum = 0;

  /** `severalDevices`: the pack speaks for more than one, so that their names must stay apart. */
  constructor(context: MessageContext, pack: readonly unknown[]) {
    this.context = context;
    this.severalDevices = typeof context.topicDevice === 'string' && devicesOf(pack) > 1;
  }

  resolve(record: Doc): Element {
    this.takeBase(record);
    const unit = text(field(record, 'u')) ?? this.unit;
    const { device, metric } = this.identify(record, unit);
    const metrics = this.metricsOf(record, metric, unit);
    if (metrics === undefined) return NO_METRICS;
    const time = this.timeOf(record);
    return time === undefined
      ? { fault: 'bad_time' }
      : { record: emptyDoc(), metrics, device, verbatim: true, time: null, ...time };
  }

  private takeBase(record: Doc): void {
    const version = field(record, 'bver');
    if (version !== undefined && !(typeof version === 'number' && version <= VERSION))
      throw new UnsupportedSenml(`SenML version above ${VERSION}`);
    // Section 4.4: a label that ends with _ must be understood, and none is.
    const mandatory = Object.keys(record).find((label) => label.endsWith('_'));
    if (mandatory !== undefined) throw new UnsupportedSenml('a mandatory field is not known');
    this.name = text(field(record, 'bn')) ?? this.name;
    this.unit = text(field(record, 'bu')) ?? this.unit;
    this.value = number(field(record, 'bv')) ?? this.value;
    this.sum = number(field(record, 'bs')) ?? this.sum;
    const time = number(field(record, 'bt'));
    if (time !== undefined) this.timeUs = microsOf(time);
  }

  /**
   * Section 4.5.1: the name of a record is base name and name. Where the topic names the device, all of it is the
   * metric's, less the part that names the device. Else the base name is the device, and the name the metric; a name
   * alone may hold both (section 5.1.1).
   */
  private identify(
    record: Doc,
    unit: string | undefined,
  ): { device: string | undefined; metric: string | undefined } {
    const name = text(field(record, 'n')) ?? '';
    const whole = this.name + name;
    if (typeof this.context.topicDevice === 'string') {
      const metric = whole.slice(this.deviceOf(whole).length).replace(this.hasPath(whole) ? '' : LEADING, '');
      return { device: undefined, metric: named(metric, unit) };
    }
    const device = this.name.replace(TRAILING, '');
    if (device !== '') return { device, metric: named(name, unit) };
    const urn = DEVICE_URN.exec(name)?.[0];
    if (urn !== undefined)
      return { device: urn, metric: named(name.slice(urn.length).replace(LEADING, ''), unit) };
    if (name.startsWith('urn:')) return { device: name, metric: nameOfUnit(unit) };
    return { device: undefined, metric: named(name, unit) };
  }

  /** The prefix of a name that identifies the device: the topic's, or its own URN if a pack has only one. */
  private deviceOf(name: string): string {
    const { topicDevice } = this.context;
    if (typeof topicDevice === 'string') {
      const at = name.indexOf(topicDevice);
      const end = at + topicDevice.length;
      if (
        at >= 0 &&
        /^(?:urn:dev:[^:/]+:|\/)?$/.test(name.slice(0, at)) &&
        /^(?:[:/;._-]|$)/.test(name.slice(end))
      )
        return name.slice(0, end);
    }
    const urn = DEVICE_URN.exec(name)?.[0] ?? '';
    return this.severalDevices ? '' : urn;
  }

  /** LwM2M: `/3303/0/5700` is one name, its slash included. */
  private hasPath(name: string): boolean {
    return this.deviceOf(name) === '' && name.startsWith('/');
  }

  private metricsOf(record: Doc, metric: string | undefined, unit: string | undefined): Doc | undefined {
    const metrics = emptyDoc();
    if (metric === undefined) return undefined;
    const bool = field(record, 'vb');
    const raw = field(record, 'v');
    const sum = field(record, 's');
    if (raw !== undefined) metrics[metric] = this.converted(raw, metric, unit);
    else if (typeof bool === 'boolean') metrics[metric] = bool;
    const total = number(sum);
    if (total !== undefined) metrics[`${metric}_sum`] = this.sum + total;
    return Object.keys(metrics).length === 0 ? undefined : metrics;
  }

  private converted(raw: unknown, metric: string, unit: string | undefined): unknown {
    const value = number(raw);
    // A base value and a unit need a number; without them the mapping evaluates the raw value.
    if (value === undefined) return this.value === 0 ? raw : null;
    const whole = this.value + value;
    if (unit === 'K') return round(whole - 273.15);
    // A metric that is only named by its unit stays in it.
    return unit === 'Pa' && metric !== 'Pa' ? round(whole / 100) : round(whole);
  }

  private timeOf(record: Doc): { timeUs?: Micros; relative?: boolean } | undefined {
    const raw = field(record, 't');
    const offset = raw === undefined || raw === null ? 0 : number(raw);
    if (offset === undefined) return undefined;
    const timeUs = this.timeUs + microsOf(offset);
    if (timeUs === 0) return {};
    if (timeUs >= RELATIVE_BELOW_US) return { timeUs };
    return { timeUs: this.context.receivedAtUs + timeUs, relative: true };
  }
}

/** How many device URNs the base names and names of a pack start with. */
function devicesOf(pack: readonly unknown[]): number {
  const urns = new Set<string>();
  for (const record of pack) {
    if (!isObject(record)) continue;
    for (const label of ['bn', 'n'] as const) {
      const urn = DEVICE_URN.exec(text(field(record, label)) ?? '')?.[0];
      if (urn !== undefined) urns.add(urn);
    }
  }
  return urns.size;
}

function named(metric: string, unit: string | undefined): string | undefined {
  return metric === '' ? nameOfUnit(unit) : metric;
}

function field(record: Doc, label: keyof typeof LABELS): unknown {
  return own(record, label) ?? own(record, LABELS[label]);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'string' ? undefined : mappedNumber(value);
}

function microsOf(seconds: number): Micros {
  return shiftDecimal(String(seconds), 6);
}

/** Sums of decimals carry the noise of doubles (120.1 + 0.2): fifteen digits are what was sent. */
function round(value: number): number {
  return toSignificant(value, 15);
}

const UNIT_NAMES: ReadonlyMap<string, string> = new Map([
  ['%RH', 'humidity'],
  ['Cel', 'temperature'],
  ['K', 'temperature'],
  ['%EL', 'battery'],
]);

function nameOfUnit(unit: string | undefined): string | undefined {
  return unit === undefined ? undefined : (UNIT_NAMES.get(unit) ?? unit);
}
