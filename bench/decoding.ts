import type { RouteConfig } from '../src/core/ingest/route-config.ts';
import { compileRoutes } from '../src/core/ingest/route.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';

const RUNS = 7;
const ROUND = 200;
/** Reading a JSON payload costs at most three times what parsing it does. */
const TARGET = 0.33;
const NOW_MS = Date.parse('2026-01-15T12:00:00Z');
const OPTIONS = {
  limits: {
    max_payload: 2 ** 19,
    max_decompressed: 2 ** 19,
    max_depth: 32,
    max_readings: 10_000,
    max_metrics: 256,
  },
  // The payloads of the specifications are as old as these.
  timeWindow: { max_past: 36_500 * 86_400_000, max_future: 36_500 * 86_400_000 },
};

interface Sample {
  readonly name: string;
  readonly route: RouteConfig;
  readonly topic: string;
  readonly payload: Buffer;
}

const text = (name: string, route: RouteConfig, topic: string, payload: string): Sample => {
  return { name, route, topic, payload: Buffer.from(payload) };
};
const hex = (name: string, route: RouteConfig, topic: string, payload: string): Sample => {
  return { name, route, topic, payload: Buffer.from(payload, 'hex') };
};

const FIVE =
  '{"ts":1768478400000,"temperature":21.58,"humidity":45.07,"pressure":997.2,"battery":97,"rssi":-61}';
const ZIGBEE =
  '{"battery":97,"humidity":45.07,"linkquality":224,"power_outage_count":805,"pressure":997.2,"temperature":21.58,"voltage":2995}';
const PROTO = 'syntax = "proto3"; message Reading { string device = 1; optional float temperature = 3; }';

/** A typical payload per codec. JSON comes first: those are set against JSON.parse. */
const SAMPLES: readonly Sample[] = [
  text('json, 5 metrics', { codec: 'json', topic: 's/{location}/{device}/r' }, 's/lab/n1/r', FIVE),
  text('json, zigbee2mqtt', { preset: 'zigbee2mqtt' }, 'zigbee2mqtt/cellar', ZIGBEE),
  text('auto, json', { codec: 'auto', topic: 's/{device}' }, 's/n1', FIVE),
  text('scalar', { codec: 'scalar', topic: 's/{device}/{metric}' }, 's/n1/temperature', '21.58'),
  hex(
    'cbor',
    { codec: 'cbor', topic: 's/{device}' },
    's/n1',
    'a26b74656d7065726174757265fb40358000000000006868756d69646974791830',
  ),
  hex(
    'msgpack',
    { codec: 'msgpack', topic: 's/{device}' },
    's/n1',
    '82ab74656d7065726174757265cb4035800000000000a868756d696469747930',
  ),
  hex(
    'protobuf',
    { codec: 'protobuf', topic: 's/#', proto: PROTO, message: 'Reading' },
    's/n1',
    '0a066e6f64652d371dcdcca841',
  ),
  text(
    'senml',
    { codec: 'senml', topic: 's/#' },
    's/n1',
    '[{"bn":"urn:dev:1:","bt":1768478400,"n":"temperature","u":"Cel","v":23.1},{"n":"humidity","u":"%RH","v":40}]',
  ),
  text(
    'line-protocol',
    { codec: 'line-protocol', topic: 's/#', device_tag: 'host' },
    's/n1',
    'cpu,host=a,region=eu load=0.5,temp=61i 1768478400000000000',
  ),
  text(
    'csv',
    {
      codec: 'csv',
      topic: 's/{device}',
      csv: { columns: ['temperature', 'humidity'], separator: ';', decimal: ',' },
    },
    's/n1',
    '21,5;45',
  ),
  text(
    'pattern',
    { codec: 'pattern', topic: 's/{device}', pattern: 'T=(?P<temperature>[-0-9.]+),H=(?P<humidity>[0-9]+)' },
    's/n1',
    'T=9,H=80',
  ),
  hex('cayenne-lpp', { codec: 'cayenne-lpp', topic: 's/{device}' }, 's/n1', '03670110056700ff'),
  hex(
    'sparkplug-b',
    { preset: 'sparkplug-b' },
    'spBv1.0/G/NBIRTH/E',
    '08eaf2f5a8a02b12120a05626453657118eaf2f5a8a02b20045800120e0a03566f6c1001200965000048411801',
  ),
];

/** (i) µs per message from payload to readings, for a typical payload of each codec. */
export function benchDecoding({ sizes }: BenchOptions): readonly Figure[] {
  return SAMPLES.map((sample) => figureOf(sample, sizes.encodingSeconds / SAMPLES.length));
}

function figureOf({ name, route, topic, payload }: Sample, seconds: number): Figure {
  const router = compileRoutes([route], OPTIONS);
  const message = { topic, payload, retain: false, receivedAtMs: NOW_MS };
  const decode = () => router.decode(message).kind === 'readings';
  if (!decode()) throw new Error(`${name}: the sample gives no reading`);
  const isJson = name.startsWith('json');
  const plain = payload.toString();
  const parse = () => JSON.parse(plain) !== undefined;
  const slice = seconds / (2 * RUNS);
  microseconds(decode, slice * 4); // warm-up
  if (isJson) microseconds(parse, slice);
  const runs: number[] = [];
  const bare: number[] = [];
  // Alternating: other load of the machine affects both.
  for (let run = 0; run < RUNS; run++) {
    runs.push(microseconds(decode, slice));
    if (isJson) bare.push(microseconds(parse, slice));
  }
  const figure: Figure = { part: 'i', measure: `decoding: ${name}`, unit: 'µs', value: median(runs), runs };
  if (bare.length === 0) return figure;
  const ratio = median(runs.map((value, run) => (bare[run] ?? NaN) / value));
  const reference = { what: 'JSON.parse', unit: 'µs', value: median(bare), runs: bare };
  return { ...figure, reference, ratio, target: TARGET };
}

function microseconds(work: () => boolean, seconds: number): number {
  const startMs = performance.now();
  let done = 0;
  let elapsedMs = 0;
  while (elapsedMs < seconds * 1000) {
    for (let n = 0; n < ROUND; n++) if (!work()) throw new Error('a payload was refused');
    done += ROUND;
    elapsedMs = performance.now() - startMs;
  }
  return (elapsedMs * 1000) / done;
}
