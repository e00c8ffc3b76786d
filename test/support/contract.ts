import type { Decoded, Reading } from '../../src/core/reading.ts';

const BAD_TEXT = /[\p{Cc}\p{Cs}]/u;
const FORBIDDEN = new Set(['__proto__', 'prototype', 'constructor', '']);
const encoder = new TextEncoder();

/** How a result breaks the payload contract, whatever came in; undefined if it does not. Default limits and window. */
export function contractBreach(decoded: Decoded, receivedAtMs: number): string | undefined {
  if (decoded.kind === 'reject') return typeof decoded.code === 'string' ? undefined : 'no code';
  const { readings } = decoded;
  if (readings.length === 0 || readings.length > 10_000) return `${readings.length} readings`;
  const keys = new Set(readings.map(({ device, timeUs }) => `${timeUs} ${device}`));
  if (keys.size !== readings.length) return 'two readings of one device and time';
  for (const reading of readings) {
    const breach = readingBreach(reading, receivedAtMs);
    if (breach !== undefined) return breach;
  }
  return undefined;
}

function readingBreach({ device, timeUs, metrics }: Reading, receivedAtMs: number): string | undefined {
  if (device === '' || BAD_TEXT.test(device) || encoder.encode(device).length > 256)
    return `device ${device}`;
  const earliest = (receivedAtMs - 3650 * 86_400_000) * 1000;
  const inside = timeUs >= earliest && timeUs <= (receivedAtMs + 3_600_000) * 1000;
  if (!Number.isSafeInteger(timeUs) || !inside) return `time ${timeUs}`;
  if (metrics.size === 0 || metrics.size > 256) return `${metrics.size} metrics`;
  for (const [name, value] of metrics) {
    if (FORBIDDEN.has(name) || BAD_TEXT.test(name) || [...name].length > 128) return `name ${name}`;
    if (!Number.isFinite(value) || Object.is(value, -0)) return `${name} is ${value}`;
  }
  return undefined;
}
