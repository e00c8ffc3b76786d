import * as z from '../core/schema/zod.ts';
import { FieldwatchError } from '../core/errors.ts';
import { hint } from '../core/did-you-mean.ts';

/** An argument: how it is written, and what of it is checked before it is used. */
interface Shape {
  readonly form: string;
  readonly schema: z.ZodType;
}

const text = z.string();
const storable = text.refine((given) => !/[\0\p{Surrogate}]/u.test(given), {
  error: 'expected text that a database can hold, without zero characters and halves of surrogate pairs',
});
const names = z.union([text, z.array(text)], { error: 'expected a string, or an array of strings' });
const fn = z.custom<unknown>((given) => typeof given === 'function', { error: 'expected a function' });
const count = z.int().min(0);
const object = (members: z.ZodRawShape = {}) => z.looseObject(members);

const database = z.union(
  [
    text,
    object({ url: text, password: text.optional(), passwordFile: text.optional(), schema: text.optional() }),
    object({ embedded: text, port: z.int().optional() }),
  ],
  { error: "expected 'postgres://…', { url } or { embedded: 'folder' }" },
);
const selection = { sensor: names.optional(), location: text.optional() };
const bucketed = { bucket: text.optional(), timeZone: text.optional() };
const sensor = object({
  name: storable.nullish(),
  type: storable.nullish(),
  location: storable.nullish(),
  tags: z.array(storable).optional(),
});

/** By function and argument. Members that have an error of their own (times, hours, words) are left to it. */
export const SHAPES = {
  options: {
    form: "{ database: 'postgres://…' | { url } | { embedded: 'folder' }, alerts?, settings?, name?, retryForMs?, logger? }",
    schema: object({
      database,
      settings: object().optional(),
      name: text.optional(),
      retryForMs: z.number().min(0).optional(),
      logger: object({ debug: fn, info: fn, warn: fn, error: fn }).optional(),
    }),
  },
  sensor: {
    form: '{ sensor: string, name?, type?, location?, tags?: string[] }, or an array of these',
    schema: z.union([z.array(sensor), sensor]),
  },
  key: { form: 'the key of a sensor: a string', schema: text },
  thresholds: { form: '{ temperature: { max: 30 } }: a rule by metric', schema: object() },
  trends: { form: '{ metrics?: string[] }', schema: object({ metrics: z.array(text).optional() }) },
  recentAlerts: {
    form: '{ sensor?: string, hours?: number, limit?: number }',
    schema: object({ sensor: text.optional(), limit: count.optional() }),
  },
  latest: { form: '{ sensor?: string }', schema: object({ sensor: text.optional() }) },
  readings: {
    form: '{ sensor?: string, from: Date | number | string, to? }',
    schema: object({ sensor: text.optional() }),
  },
  use: {
    form: "{ metric: string, from: Date | number | string, to?, sensor?: string, bucket?: '1d', zone?: 'UTC' }",
    schema: object({
      metric: text,
      sensor: names.optional(),
      bucket: text.optional(),
      zone: text.optional(),
    }),
  },
  tags: { form: '{ queue: "mail" }: strings or numbers by name', schema: object() },
  appMetrics: {
    form: '{ name?: string, host?: string, tags?: object, from?, to?, limit?: number }',
    schema: object({
      name: text.optional(),
      host: text.optional(),
      tags: object().optional(),
      limit: count.optional(),
    }),
  },
  listener: { form: '(alert) => void', schema: fn },
  recordOptions: { form: '{ onProgress?, signal? }', schema: object({ onProgress: fn.optional() }) },
  analysis: {
    form: '{ from: Date | number | string, to?, sensor?: string | string[], location?: string, metrics?: string[], … }',
    schema: object({ ...selection, ...bucketed, metrics: z.array(text).optional(), metric: text.optional() }),
  },
  analysisOfMetric: {
    form: '{ metric: string, from: Date | number | string, to?, sensor?: string | string[], location?: string, … }',
    schema: object({
      ...selection,
      ...bucketed,
      metric: text,
      window: text.optional(),
      limit: count.optional(),
    }),
  },
  loadFrame: {
    form: '{ dataset?, shape?, from?, to?, sensor?: string | string[], location?: string, metrics?: string[] }',
    schema: object({ ...selection, metrics: z.array(text).optional() }),
  },
  saveFrame: {
    form: '{ map?: { time: string, … }, ignore?: string[], sensor?: string, onProgress? }',
    schema: object({
      map: z.record(text, text).optional(),
      ignore: z.array(text).optional(),
      sensor: text.optional(),
      onProgress: fn.optional(),
    }),
  },
  route: { form: "{ topic: 'plant/{device}', codec: 'json' }: an entry of routes", schema: object() },
  message: {
    form: '{ topic: string, payload: Uint8Array | string, receivedAt?, retain?, contentType? }',
    schema: object({
      topic: text,
      payload: z.union([text, z.instanceof(Uint8Array)], { error: 'expected a Uint8Array or a string' }),
      retain: z.boolean().optional(),
      contentType: text.optional(),
    }),
  },
  rules: {
    form: '{ metrics: { temperature: { max: 30 } } }: the alerts section of a configuration',
    schema: object(),
  },
  evaluated: {
    form: '[{ sensor: string, time: Date | number | string, metrics: { temperature: 21.5 } }]',
    schema: z.array(z.unknown()),
  },
  evaluatedReading: {
    form: '{ sensor: string, time: Date | number | string, metrics: { temperature: 21.5 } }',
    schema: object({ sensor: text, metrics: object() }),
  },
  evaluateOptions: {
    form: '{ sensors?: [{ sensor: string, type?, location?, tags? }], until? }',
    schema: object({ sensors: z.array(object({ sensor: text, tags: z.array(text).optional() })).optional() }),
  },
  yaml: { form: 'the text of a configuration file: a string', schema: text },
  daemonConfig: {
    form: 'the text of a configuration file, or what parseConfig gave',
    schema: z.union([text, object({ log: object(), routes: z.array(z.unknown()) })], {
      error: 'expected a string, or what parseConfig gave',
    }),
  },
  daemonOptions: {
    form: '{ logger?, onAlert? }',
    schema: object({
      logger: object({ debug: fn, info: fn, warn: fn, error: fn }).optional(),
      onAlert: fn.optional(),
    }),
  },
  codec: {
    form: '{ name: string, summary: string, decode: (payload, context) => unknown }',
    schema: object({ name: text, summary: text, decode: fn }),
  },
} as const satisfies Readonly<Record<string, Shape>>;

/**
 * An argument of another shape than its type says: a program without types may give any.
 *
 * @throws FieldwatchError ARGUMENT_INVALID, with the argument, its member, and the shape that is expected
 */
export function checkArgument(
  call: string,
  argument: string,
  given: unknown,
  shape: keyof typeof SHAPES,
): void {
  const { form, schema } = SHAPES[shape];
  const { error } = schema.safeParse(given);
  const issue = error?.issues[0];
  if (issue === undefined) return;
  const where = [argument, ...issue.path.map(String)].join('.');
  throw new FieldwatchError(`${call}: ${where}: ${issue.message.replace(/^Invalid input: /, '')}`, {
    code: 'ARGUMENT_INVALID',
    kind: 'bug',
    remedy: `${argument} is ${form}`,
  });
}

/** An option that has to be one of some words: a program without types may give any. Throws a FieldwatchError with this code. */
export function checkOneOf(what: string, given: unknown, known: readonly string[], code: string): void {
  if (typeof given === 'string' && known.includes(given)) return;
  const text = typeof given === 'string' ? given : String(given);
  throw new FieldwatchError(`${what}: ${JSON.stringify(text)} is not one of its values${hint(text, known)}`, {
    code,
    kind: 'data',
  });
}
