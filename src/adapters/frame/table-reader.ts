import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { LineReader } from '../../core/ingest/codec/line-parser.ts';
import type { TableChunk } from '../../core/ingest/table/reading-block.ts';

export const IMPORT_FORMATS = ['csv', 'ndjson', 'parquet', 'arrow', 'line-protocol'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, ImportFormat>> = {
  ...{ csv: 'csv', tsv: 'csv', ndjson: 'ndjson', jsonl: 'ndjson', json: 'ndjson', parquet: 'parquet' },
  ...{ arrow: 'arrow', feather: 'arrow', lp: 'line-protocol', line: 'line-protocol' },
};

/** By the name of a file, `.gz` left out; undefined where it says nothing. */
export const formatOfName = (path: string): ImportFormat | undefined =>
  BY_EXTENSION[/\.([a-z]+)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? ''];

/** Characters of text that are read at once. */
const PIECE = 1 << 20;
/** No row, and no line, is longer. */
const MOST_ROW = 16 << 20;
const MOST_FIELDS = 2000;

/** The rows of a file in pieces of bounded size. Rejects with IMPORT_UNREADABLE. */
export async function* readTable(path: string, format: ImportFormat): AsyncGenerator<TableChunk> {
  try {
    if (format === 'parquet') yield* (await import('./parquet-reader.ts')).readParquet(path);
    else if (format === 'arrow') yield* (await import('./arrow-reader.ts')).readArrow(path);
    else if (format === 'csv') yield* readCsv(path);
    else yield* readLines(path, format === 'ndjson' ? jsonChunk : pointChunk);
  } catch (cause) {
    if (cause instanceof FieldwatchError) throw cause;
    throw unreadable(path, messageOf(cause), cause);
  }
}

export const unreadable = (path: string, why: string, cause?: unknown) =>
  new FieldwatchError(`import: cannot read ${path}: ${why}`, {
    code: 'IMPORT_UNREADABLE',
    kind: 'data',
    cause,
    remedy: 'Check the file, and --format where its name does not say what it is.',
  });

/** Text of a file, also of a gzipped one, with the share of the file that is read. */
async function* texts(path: string): AsyncGenerator<{ text: string; share: number; last: boolean }> {
  const { size } = await stat(path);
  const file = createReadStream(path, { highWaterMark: PIECE });
  const bytes = path.toLowerCase().endsWith('.gz') ? file.pipe(createGunzip({ chunkSize: PIECE })) : file;
  file.on('error', (error) => bytes.destroy(error));
  const decoder = new StringDecoder('utf8');
  let first = true;
  for await (const piece of bytes as AsyncIterable<Buffer>) {
    const text = decoder.write(piece);
    yield {
      text: first && text.startsWith('\ufeff') ? text.slice(1) : text,
      share: file.bytesRead / size,
      last: false,
    };
    first = false;
  }
  yield { text: decoder.end(), share: 1, last: true };
}

async function* readCsv(path: string): AsyncGenerator<TableChunk> {
  const { default: Papa } = await import('papaparse');
  let names: readonly string[] | undefined;
  let parser: InstanceType<typeof Papa.Parser> | undefined;
  let rest = '';
  let row = 1;
  for await (const { text, share, last } of texts(path)) {
    rest += text;
    if (rest === '') continue;
    if (rest.length > MOST_ROW) throw unreadable(path, `a row is longer than ${MOST_ROW} characters`);
    const ready: string = rest;
    parser ??= new Papa.Parser({ delimiter: delimiterOf(ready), newline: newlineOf(ready) });
    const parsed = parser.parse(ready, 0, true) as { data: string[][]; meta: { cursor: number } };
    rest = ready.slice(parsed.meta.cursor);
    let rows = parsed.data;
    if (last && rest !== '') {
      rows = [...rows, ...(parser.parse(rest, 0, false) as { data: string[][] }).data];
      rest = '';
    }
    rows = rows.filter((cells) => cells.length > 1 || cells[0] !== '');
    if (names === undefined && rows.length > 0) {
      names = rows[0]?.map((name) => name.trim());
      rows = rows.slice(1);
    }
    if (rows.length === 0 || names === undefined) continue;
    yield { names, rows, firstRow: row, share };
    row += rows.length;
  }
  if (names === undefined) throw unreadable(path, 'it is empty; expected a header');
}

const firstLine = (text: string): string => text.slice(0, text.search(/[\r\n]|$/));
const newlineOf = (text: string): '\r\n' | '\n' => (/^[^\n]*\r\n/.test(text) ? '\r\n' : '\n');

/** The one that the header has most of. */
function delimiterOf(text: string): string {
  const header = firstLine(text);
  const count = (delimiter: string) => header.split(delimiter).length;
  return [',', ';', '\t', '|'].reduce((best, one) => (count(one) > count(best) ? one : best));
}

type Chunk = Omit<TableChunk, 'firstRow' | 'share'>;

/** Whole lines, a piece at a time. */
async function* readLines(path: string, chunkOf: (text: string) => Chunk): AsyncGenerator<TableChunk> {
  let rest = '';
  let row = 1;
  for await (const { text, share, last } of texts(path)) {
    rest += text;
    const end = last ? rest.length : rest.lastIndexOf('\n') + 1;
    if (end === 0) {
      if (rest.length > MOST_ROW) throw unreadable(path, `a line is longer than ${MOST_ROW} characters`);
      continue;
    }
    const chunk = chunkOf(rest.slice(0, end));
    rest = rest.slice(end);
    const count = chunk.rows.length + (chunk.faults?.length ?? 0);
    if (count === 0) continue;
    yield { ...chunk, firstRow: row, share };
    row += count;
  }
}

/** Rows of objects: the columns are all names that any of them has. */
function tableOf(
  objects: readonly ReadonlyMap<string, unknown>[],
  faults: NonNullable<Chunk['faults']>,
  labels: ReadonlySet<string> = new Set(),
): Chunk {
  const places = new Map<string, number>();
  const rows = objects.map((object) => {
    const row: unknown[] = [];
    for (const [name, value] of object) {
      let at = places.get(name);
      if (at === undefined) places.set(name, (at = places.size));
      row[at] = value;
    }
    return row;
  });
  return { names: [...places.keys()], rows, faults, labels: [...labels] };
}

function jsonChunk(text: string): Chunk {
  const objects: ReadonlyMap<string, unknown>[] = [];
  const faults: { text: string; detail: string }[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object');
      objects.push(new Map(Object.entries(value)));
    } catch (error) {
      faults.push({ text: line, detail: messageOf(error) });
    }
  }
  return tableOf(objects, faults);
}

/** InfluxDB line protocol: tags, fields, the time in `time`, and the name of the measurement in `measurement`. */
function pointChunk(text: string): Chunk {
  const objects: ReadonlyMap<string, unknown>[] = [];
  const faults: { text: string; detail: string }[] = [];
  const labels = new Set(['measurement']);
  const reader = new LineReader(text, MOST_FIELDS);
  while (!reader.done) {
    const found = reader.next();
    if (found === undefined) continue;
    if (!('point' in found)) {
      faults.push({ text: '', detail: found.message });
      continue;
    }
    const { measurement, tags, fields, time } = found.point;
    if (fields.size === 0) continue;
    for (const tag of tags.keys()) if (!fields.has(tag)) labels.add(tag);
    objects.push(
      new Map<string, unknown>([['measurement', measurement], ...tags, ...fields, ['time', time]]),
    );
  }
  return tableOf(objects, faults, labels);
}
