import { type Bucket, parseBucket } from '../../core/bucket.ts';
import { parseDuration } from '../../core/duration.ts';
import type { Millis } from '../../core/reading.ts';
import { isNamedZone, unknownZone } from '../../core/zone.ts';

/** The inputs that are text with a form of their own. */
export type InputName = 'bucket' | 'zone' | 'window';

/** Reads them. What is left out has its default. */
export interface InputReader {
  bucketOf(text?: string): Bucket;
  zoneOf(name?: string): string;
  windowOf(text?: string): Millis;
}

export const DEFAULT_BUCKET = '1h';
export const DEFAULT_ZONE = 'UTC';
export const DEFAULT_WINDOW = '1h';

/** One reader for the library, the command line and the API; `fault` makes the error of each of what is wrong with an input. */
export const inputReader = (fault: (input: InputName, detail: string) => Error): InputReader => ({
  bucketOf(text = DEFAULT_BUCKET) {
    const bucket = parseBucket(text);
    if (bucket !== undefined) return bucket;
    throw fault(
      'bucket',
      `${JSON.stringify(text)} is no bucket; expected a second or more, such as 15m, 1h, 1d or 1mo`,
    );
  },
  zoneOf(name = DEFAULT_ZONE) {
    if (isNamedZone(name)) return name;
    throw fault('zone', unknownZone(name));
  },
  windowOf(text = DEFAULT_WINDOW) {
    const ms = parseDuration(text);
    if (ms !== undefined && ms > 0) return ms;
    throw fault('window', `${JSON.stringify(text)} is no window; expected a duration such as 1h`);
  },
});
