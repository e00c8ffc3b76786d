import type { Inflate } from '../../core/ingest/codec/codec.ts';
import { gunzipSync, inflateSync } from 'node:zlib';

/**
 * Bounded decompression of one payload. `maxOutputLength` makes zlib stop at the limit: a bomb of a kilobyte never
 * becomes a gigabyte of memory.
 */
export const inflate: Inflate = (bytes, format, maxOutputLength) => {
  try {
    return (format === 'gzip' ? gunzipSync : inflateSync)(bytes, { maxOutputLength });
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    return tooLarge ? 'too_large' : 'parse_error';
  }
};
