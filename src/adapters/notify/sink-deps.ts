import type { SensorFactsOf } from '../../core/notify/delivery.ts';
import type { Clock } from '../../ports/time.ts';
import { basic } from './http.ts';

/** The dependencies of a sink, besides its own options. */
export interface SinkDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly factsOf: (sensorId: number) => SensorFactsOf;
}

export interface HttpCredentials {
  readonly token?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** The header, and the secrets in it. */
export function credentials({ token, username, password }: HttpCredentials): {
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly (string | undefined)[];
} {
  const authorization =
    token !== undefined
      ? `Bearer ${token}`
      : username !== undefined
        ? basic(username, password ?? '')
        : undefined;
  return {
    headers: authorization === undefined ? {} : { authorization },
    secrets: [token, password, authorization],
  };
}
