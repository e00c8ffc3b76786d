import type { routerOf } from '../../support/routes.ts';
import { type WatchedRoute, RECEIVED_AT, feed, plain } from '../../support/routes.ts';

export const NOW_US = Date.parse(RECEIVED_AT) * 1000;
export const NOW_MS = NOW_US / 1000;
export const TIME = '2026-01-15T12:00:00';

export interface Member {
  readonly of: string;
  readonly route: object;
  readonly topic: string;
  readonly payload: unknown;
  /** `device: metrics`, or the reject code. */
  readonly stored: unknown;
  /** Numbers that are lost on purpose, by count. */
  readonly dropped?: number;
}

export function decode(
  router: ReturnType<typeof routerOf>,
  topic: string,
  payload: unknown,
  more: WatchedRoute = {},
) {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const decoded = feed(router, { topic, payload: text, ...more });
  const readings = plain(decoded);
  const stored = Array.isArray(readings)
    ? readings.map(({ device, metrics }: { device: string; metrics: object }) => [device, metrics])
    : readings;
  return { stored, dropped: decoded.kind === 'reject' ? 0 : decoded.dropped };
}

export const one = (device: string, metrics: object) => [[device, metrics]];
export const TASMOTA = { preset: 'tasmota' };
