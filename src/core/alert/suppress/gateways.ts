import { isAbsence } from '../kind/index.ts';
import type { Millis } from '../../reading.ts';
import type { AlertInstance } from '../engine/alert-instance.ts';
import { OF_SENSOR } from '../engine/alert-key.ts';
import type { Series } from '../engine/series.ts';
import { NEVER, type SeriesGateway, type SeriesState } from '../engine/series-state.ts';
import { type EpisodeState, OK } from '../state/state.ts';

/** Queries of gateways to the engine, as of the current working set. */
export interface GatewayClock {
  /** Since when the broker is connected; undefined while it is away. */
  connectedMs(): Millis | undefined;
  receivedMsOf(series: SeriesState): Millis;
  stateOf(series: SeriesState, instance: AlertInstance): EpisodeState;
}

/**
 * The sensor that others send through. While it is offline, or may be and is not missed yet, it explains that they are
 * missed; and so it does after its return, until they had the time that their rules allow them.
 */
export class Gateway implements SeriesGateway {
  /** Its own alert is open. */
  open = false;
  /** When that last ended, by the clock. */
  endedMs: Millis = NEVER;
  /** The series of the gateway itself, once there is one. */
  own: Series | undefined;
  /** Open alerts of its sensors for missing data. */
  readonly targets = new Map<AlertInstance, Series>();
  private readonly clock: GatewayClock;

  constructor(clock: GatewayClock) {
    this.clock = clock;
  }

  /** Whether it explains at a moment that a series of one of its sensors is missed. */
  covers(series: SeriesState, atMs: Millis): boolean {
    return this.open || atMs < this.coversUntilMs(series) || this.maybeAway(atMs);
  }

  /**
   * Until when it covers a series after its return. A new process does not know when that was: for what was deferred it
   * counts from its connection.
   */
  coversUntilMs(series: SeriesState): Millis {
    const connectedMs = this.clock.connectedMs();
    const deferred = this.isDeferred(series);
    if (connectedMs === undefined) return deferred ? Infinity : NEVER;
    const sinceMs = deferred ? Math.max(this.endedMs, connectedMs) : this.endedMs;
    return sinceMs + (series.silenceAllowedMs(series.noData?.memory) ?? 0);
  }

  /** Nothing came through it for half of the time after which it is missed itself. */
  maybeAway(atMs: Millis): boolean {
    const { own } = this;
    const connectedMs = this.clock.connectedMs();
    if (own?.noData === undefined || connectedMs === undefined) return false;
    if (this.clock.stateOf(own, own.noData) !== OK) return false;
    const receivedMs = this.clock.receivedMsOf(own);
    if (receivedMs === NEVER ? !own.expected : own.rule.countsMessages !== true) return false;
    const allowedMs = own.silenceAllowedMs(own.noData.memory);
    if (allowedMs === undefined) return false;
    return atMs - Math.max(receivedMs, connectedMs, own.expectedSinceMs) >= allowedMs / 2;
  }

  private isDeferred(series: SeriesState): boolean {
    const { noData } = series;
    if (noData === undefined) return false;
    const state = this.clock.stateOf(series, noData);
    return 'episode' in state && state.episode.deferredBy === 'inhibition';
  }
}

/** The gateways of an engine, by the keys of their sensors. */
export class Gateways {
  private readonly clock: GatewayClock;
  private readonly byKey = new Map<string, Gateway>();

  constructor(clock: GatewayClock) {
    this.clock = clock;
  }

  get exists(): boolean {
    return this.byKey.size > 0;
  }

  /** Takes over the gateways of another engine, without their series. */
  follow(former: Gateways): void {
    for (const [key, { endedMs }] of former.byKey) this.named(key).endedMs = endedMs;
  }

  /** The gateway of that key, made when the first of its sensors is. */
  named(key: string): Gateway {
    let gateway = this.byKey.get(key);
    if (gateway === undefined) this.byKey.set(key, (gateway = new Gateway(this.clock)));
    return gateway;
  }

  /** The gateway with that sensor key; undefined for a sensor that is no gateway. */
  of(sensorKey: string): Gateway | undefined {
    return this.byKey.get(sensorKey);
  }

  /** The gateway whose absence explains that a series is missed. */
  over({ sensor }: Series): Gateway | undefined {
    const { gateway, key } = sensor;
    return typeof gateway !== 'string' || gateway === key ? undefined : this.byKey.get(gateway);
  }

  forget(isForgotten: (sensorId: number) => boolean): void {
    for (const gateway of this.byKey.values())
      if (gateway.own !== undefined && isForgotten(gateway.own.sensorId)) gateway.own = undefined;
  }

  clear(): void {
    for (const gateway of this.byKey.values()) {
      gateway.open = false;
      gateway.targets.clear();
    }
  }

  /** An alert opened or ended. Returns the open alerts whose suppression that may change. */
  moved(series: Series, instance: AlertInstance, isOpen: boolean, atMs: Millis): readonly Series[] {
    if (!isAbsence(instance.condition.kind)) return [];
    const { targets } = this.over(series) ?? {};
    if (isOpen) targets?.set(instance, series);
    else targets?.delete(instance);
    const gateway = series.metric === OF_SENSOR ? this.of(series.sensorKey) : undefined;
    if (gateway === undefined || gateway.open === isOpen) return [];
    gateway.open = isOpen;
    if (!isOpen) gateway.endedMs = Math.max(gateway.endedMs, atMs);
    return [...gateway.targets.values()];
  }

  covers(series: Series, instance: AlertInstance, atMs: Millis): boolean {
    return isAbsence(instance.condition.kind) && this.over(series)?.covers(series, atMs) === true;
  }
}
