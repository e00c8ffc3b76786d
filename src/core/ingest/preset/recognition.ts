import type { RouteConfig } from '../route-config.ts';

/** A message, as the preset of its ecosystem recognises it. */
export interface Recognition {
  /** Keys that its route needs besides the preset's name: `base_topic`, a topic of its own, an encoding. */
  readonly config: RouteConfig;
  /** False: a discovery, a command, an availability; without measurements. */
  readonly telemetry: boolean;
  /** It only resembles the ecosystem: a certain recognition by another preset wins. */
  readonly weak?: boolean;
  /** The message's time, where it is text without an offset: its time zone is to be found out. */
  readonly localTime?: string | undefined;
}

export const telemetry = (config: RouteConfig = {}, localTime?: unknown): Recognition => ({
  config,
  telemetry: true,
  localTime: isLocalTime(localTime) ? localTime : undefined,
});

export const nonTelemetry = (config: RouteConfig = {}): Recognition => ({ config, telemetry: false });

export const weak = (recognition: Recognition): Recognition => ({ ...recognition, weak: true });

/** `base_topic`, unless it is the preset's own. */
export const withBase = (levels: readonly string[], usual: string): RouteConfig => {
  const base = levels.join('/');
  return base === usual || base === '' ? {} : { base_topic: base };
};

/** The preset's topics below a prefix that a bridge between brokers may add. */
export const withPrefix = (prefix: readonly string[], topics: readonly string[]): RouteConfig => {
  if (prefix.length === 0) return {};
  const [first = '', ...rest] = topics.map((topic) => [...prefix, topic].join('/'));
  return { topic: rest.length === 0 ? first : [first, ...rest] };
};

/** ISO 8601 without an offset, or the same with slashes. */
export function isLocalTime(value: unknown): value is string {
  return (
    typeof value === 'string' && /^\d{4}([-/])\d\d\1\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?$/.test(value)
  );
}
