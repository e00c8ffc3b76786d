import * as z from '../../core/schema/zod.ts';
import { TIME_UNITS } from '../../core/ingest/mapping/instant.ts';
import { UNITS } from '../../core/ingest/mapping/unit.ts';
import type { RouteConfig } from '../../core/ingest/route-config.ts';
import { routeFaults } from '../../core/ingest/route-faults.ts';
import { bytes, duration } from '../../core/schema/common.ts';

const pointer = (what: string) => z.string().describe(`${what} (JSON Pointer, such as /meta/id)`);
const timezone = z
  .string()
  .describe('time zone of times without an offset: Europe/Berlin, UTC, +02:00 (default: UTC)');
const pair = z.tuple([z.number(), z.number()]);

const fieldShape = z.strictObject({
  path: pointer('where the metric is; without it, wherever the metric of this name is found').optional(),
  unit: z.enum(UNITS).optional().describe('unit as sent; it becomes °C, hPa, % or V'),
  linear: z
    .strictObject({ from: pair.describe('two values as sent'), to: pair.describe('what they become') })
    .optional()
    .describe('straight line through two points, not clamped'),
  min: z.number().optional().describe('below it the metric is dropped and counted'),
  max: z.number().optional().describe('above it the metric is dropped and counted'),
});

const field = z
  .union([z.string().transform((path) => ({ path })), fieldShape])
  .describe('a metric: a JSON Pointer, or path, unit, linear, min and max');

const time = z
  .strictObject({
    path: z
      .union([z.string(), z.array(z.string()).min(1)])
      .optional()
      .describe('where the time is (JSON Pointer), or several places in order of preference'),
    unit: z
      .enum(TIME_UNITS)
      .optional()
      .describe('unit of numeric times; auto detects it by magnitude (default)'),
    timezone: timezone.optional(),
  })
  .describe('the time of a reading; default: the first of time, timestamp, ts, else the arrival');

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const topic = z.string().describe('{x} is one level, {x...} one or more, + and # as in MQTT');

const availability = z
  .union([
    topic,
    z.strictObject({
      topic,
      payload_available: z.string().min(1).optional().describe('payload of a device that is online'),
      payload_not_available: z.string().min(1).optional().describe('payload of a device that is offline'),
    }),
  ])
  .describe(
    'a topic pattern with {device}, or {gateway} where it is that of a gateway; its payload is online, offline or the like, or JSON with a state',
  );

const routeShape = z.strictObject({
  preset: z.string().optional().describe('ready-made route of an ecosystem; every other key overrides it'),
  topic: z
    .union([topic, z.array(topic).min(1)])
    .optional()
    .describe('topic pattern, or several: {x} is one level, {x...} one or more, + and # as in MQTT'),
  ignore: z.array(topic).optional().describe('topic patterns whose messages are counted and dropped'),
  codec: z
    .string()
    .optional()
    .describe('payload format (default: json); auto detects it by content type and bytes'),
  encoding: z
    .string()
    .optional()
    .describe('variant of the format, where a preset has several: json, cbor, protobuf'),
  availability: z
    .union([availability, z.array(availability)])
    .optional()
    .describe('topics with the availability of devices; default: those of the preset, [] for none'),
  compression: z
    .enum(['auto', 'none', 'gzip', 'zlib'])
    .optional()
    .describe('compression of the payload; auto detects it by its first bytes (default: none)'),
  device: z.string().min(1).optional().describe('device key: text with {segments} of the topic'),
  gateway: z
    .string()
    .min(1)
    .optional()
    .describe(
      'key of the sensor that its devices send through: text with {segments} of the topic; default: the segment {gateway}',
    ),
  device_path: pointer('where the payload names the device').optional(),
  device_tag: z.string().min(1).optional().describe('line protocol: the tag that names the device'),
  precision: z
    .enum(['s', 'ms', 'us', 'ns'])
    .optional()
    .describe('line protocol: unit of the times (default: ns)'),
  time: time.optional(),
  timezone: timezone.optional(),
  on_bad_time: z
    .enum(['reject', 'received'])
    .optional()
    .describe('an invalid time, or one outside the window: reject (default), or use the arrival'),
  retained: z
    .enum(['ignore', 'accept'])
    .optional()
    .describe('retained messages (default: only those with a time of their own)'),
  fields: z.record(z.string().min(1), field).optional().describe('metrics by name'),
  extras: z
    .boolean()
    .optional()
    .describe('take the remaining numbers too, nested names joined with _ (default: true)'),
  skip: z.array(z.string()).optional().describe('keys that are no metrics'),
  csv: z
    .strictObject({
      columns: z
        .array(z.union([z.string().min(1), z.null()]))
        .min(1)
        .optional()
        .describe('the names of the columns, null to leave one out'),
      header: z.boolean().optional().describe('the first line of a message names the columns'),
      separator: z
        .string()
        .min(1)
        .max(8)
        .optional()
        .describe(
          'between two cells; a blank is any run of blanks and tabs (default: a comma, or ; with decimal commas)',
        ),
      decimal: z.enum(['.', ',']).optional().describe('decimal sign (default: .)'),
    })
    .optional()
    .describe('csv: how the cells of a row lie'),
  pattern: z
    .string()
    .min(1)
    .optional()
    .describe(
      'pattern: regular expression (RE2 syntax) with named groups, tried on each line: T=(?P<temperature>[0-9.]+)',
    ),
  metric: z
    .string()
    .min(1)
    .optional()
    .describe(
      'the metric of a single value (scalar, or value in JSON), where the topic has no {metric}; ' +
        'line protocol: its name from {measurement}, {field} and tags',
    ),
  metric_map: z.record(z.string(), z.string().min(1)).optional().describe('name as sent: name of the metric'),
  where: z
    .record(z.string(), z.union([scalar, z.array(scalar).min(1)]))
    .optional()
    .describe('JSON Pointer: value or values that a record must have; others are ignored'),
  items: pointer('the array of records in a message').optional(),
  metrics_path: pointer('the object inside a record that holds its metrics').optional(),
  value_path: pointer(
    'where the value is, if {metric} of the topic names it; default: value, val or v',
  ).optional(),
  pivot: z
    .strictObject({
      items: pointer(
        'the array of pairs in a record; "" where a record, such as each of a root array, is a pair',
      ),
      name: pointer('the name in a pair'),
      value: pointer('the value in a pair'),
    })
    .optional()
    .describe('metrics as name and value pairs; a pair may have its own time and device'),
  base_topic: z.string().min(1).optional().describe("the ecosystem's base topic, where a preset has one"),
  split_blocks: z.boolean().optional().describe('tasmota: a device per sensor block, <topic>/<block>'),
  proto: z.string().min(1).optional().describe('protobuf: path of the .proto file, or its text'),
  message: z.string().min(1).optional().describe('protobuf: full name of the message type'),
  request_rebirth: z
    .boolean()
    .optional()
    .describe('sparkplug-b: ask an edge node for its birth when it is unknown (default: false)'),
  keep_bad_quality: z
    .boolean()
    .optional()
    .describe('sparkplug-b: keep values whose property Quality is not 192, good (default: false)'),
  silent_after: z
    .union([z.literal('auto'), duration({ min: '1s' })])
    .optional()
    .describe(
      'report the route when it delivers nothing for this long; auto: ten times its longest pause so far',
    ),
});

/** Faults that need several keys together, as issues at the key to change. */
const route = routeShape.check(
  z.superRefine<z.output<typeof routeShape>>((config, context) => {
    for (const { path, message } of routeFaults(config))
      context.addIssue({ code: 'custom', path: [...path], message });
  }),
);

/** `routes:`, in order; the first that matches a topic decides. Keys are those of the YAML. */
export const routesSchema = z
  .array(route)
  .default([])
  .describe('what to subscribe to and how to read it; the first route that matches a topic decides');

const count = (fallback: number, max: number, description: string) =>
  z.int().min(1).max(max).default(fallback).describe(description);
const size = (fallback: string, description: string) =>
  bytes({ min: 1, max: 256 * 1024 ** 2 })
    .prefault(fallback)
    .describe(description);

/**
 * Decoding one message is one piece of work. Half a MiB of the most laborious payload takes 150 ms; and brokers in the
 * cloud take 128 to 256 KiB.
 */
export const limitsSchema = z
  .strictObject({
    max_payload: size(
      '512KiB',
      'largest payload: twice the size keeps /livez and keepalives waiting for twice as long',
    ),
    max_decompressed: size('512KiB', 'largest payload after decompression'),
    max_depth: count(32, 256, 'deepest nesting of a payload'),
    max_readings: count(10_000, 1_000_000, 'most records in one message'),
    max_metrics: count(256, 10_000, 'most metrics in one reading'),
  })
  .describe('bounds of one message')
  .prefault({});

export const timeWindowSchema = z
  .strictObject({
    max_past: duration({ min: '1m' })
      .prefault('3650d')
      .describe('how far before its arrival the time of a reading may be'),
    max_future: duration({ max: '365d' })
      .prefault('1h')
      .describe('how far after its arrival the time of a reading may be'),
  })
  .describe('times outside of it are refused')
  .prefault({});

/** The keys of a route, for the documentation's own test. */
export const routeKeys: readonly string[] = Object.keys(routeShape.shape);

/** Type check: the output of the schema is the input of the core. */
export const asRoutes = (routes: z.output<typeof routesSchema>): readonly RouteConfig[] => routes;
