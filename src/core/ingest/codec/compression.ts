import type { RouteConfig } from '../route-config.ts';
import { type PayloadReject, rejectPayload, type Inflate, type CompressionFormat } from './codec.ts';

/** Decompresses as the route configures; with `auto`, uncompressed bytes pass unchanged. */
export function decompress(
  bytes: Uint8Array,
  compression: RouteConfig['compression'],
  inflate: Inflate | undefined,
  maxOutput: number,
): Uint8Array | PayloadReject {
  const format = compression === 'auto' ? formatOf(bytes) : compression;
  if (format === undefined || format === 'none') return bytes;
  if (inflate === undefined) return rejectPayload('unsupported', 'no decompressor');
  const result = inflate(bytes, format, maxOutput);
  return typeof result === 'string' ? rejectPayload(result, `${format} body`) : result;
}

/** RFC 1952: 1f 8b 08. RFC 1950: method 8, a window of at most 32 KiB, and a header that 31 divides. */
function formatOf(bytes: Uint8Array): CompressionFormat | undefined {
  const [first = 0, second = 0, third = 0] = bytes;
  if (first === 0x1f && second === 0x8b && third === 8) return 'gzip';
  // Only the headers of the usual levels: 31 may divide text such as `h` (0x68), too.
  const zlib = first === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(second);
  return zlib ? 'zlib' : undefined;
}
