import { type AlertNotification, OF_NO_END } from '../../core/alert/model.ts';
import type { Silence } from '../../core/alert/suppress/silence.ts';
import { messageOf } from '../../core/errors.ts';
import type { Millis } from '../../core/reading.ts';
import { NO_SENSOR } from '../../core/policy/episode.ts';
import { Outage } from '../../lib/outage.ts';
import type { OperatorStore } from '../../ports/alerts.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { nameUuid } from './alert-id.ts';

export interface SilenceLogDeps {
  readonly operators: Pick<OperatorStore, 'announce'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly publish: (lines: readonly AlertNotification[]) => void;
}

/** A silence that began or ended longer ago has its line, or had none in the version that was running then. */
const RECENT_MS = 3_600_000;

/**
 * A line of the alert log for the beginning of a silence, and one for its end: rows of the outbox, so that of several daemons one
 * writes them, once, whenever it is killed.
 */
export class SilenceLog {
  readonly #deps: SilenceLogDeps;
  readonly #outage: Outage;
  #silences: readonly Silence[] = [];
  #known = new Set<string>();

  constructor(deps: SilenceLogDeps) {
    this.#deps = deps;
    this.#outage = new Outage(deps.clock);
  }

  /** Sets the silences of the start: their lines are written with the first `note`. */
  know(silences: readonly Silence[]): void {
    this.#silences = silences;
  }

  /** `changed`: all silences that matter, where one of them changed. Never throws. */
  async note(changed: readonly Silence[] | undefined): Promise<void> {
    this.#silences = changed ?? this.#silences;
    const nowMs = this.#deps.clock.nowMs();
    const lines = this.#silences
      .flatMap((each) => linesOf(each, nowMs))
      .filter((line) => !this.#known.has(nameOf(line)));
    if (lines.length === 0) return;
    try {
      const fresh = await this.#deps.operators.announce(lines);
      const wanted = new Set(this.#silences.flatMap((each) => linesOf(each, nowMs)).map(nameOf));
      this.#known = wanted;
      this.#outage.recovered();
      this.#deps.publish(fresh);
    } catch (error) {
      if (this.#outage.failed(error))
        this.#deps.logger.warn({ error: messageOf(error) }, 'cannot log silences, retrying');
    }
  }
}

const nameOf = ({ alertId, seq }: AlertNotification): string => `${alertId} ${seq}`;

function linesOf(silence: Silence, nowMs: Millis): AlertNotification[] {
  const { startsMs, endsMs } = silence;
  const isOver = endsMs <= nowMs;
  return [
    ...(startsMs > nowMs - RECENT_MS ? [lineOf(silence, 'silence_added', startsMs)] : []),
    ...(isOver && endsMs > nowMs - RECENT_MS ? [lineOf(silence, 'silence_ended', endsMs)] : []),
  ];
}

function lineOf(
  silence: Silence,
  event: 'silence_added' | 'silence_ended',
  eventTimeMs: Millis,
): AlertNotification {
  const { id, startsMs, endsMs, by, endedBy } = silence;
  const ended = event === 'silence_ended';
  return {
    ...{
      alertId: nameUuid(`silence|${id}`),
      seq: ended ? 2 : 1,
      event,
      alertType: 'silence',
      severity: 'info',
    },
    ...{
      sensorId: NO_SENSOR,
      sensorKey: silence.matchers['sensor'] ?? '*',
      eventTimeMs,
      startedAtMs: startsMs,
    },
    ...OF_NO_END,
    ...{ message: messageFor(silence, ended), value: null, threshold: null },
    durationS: ended ? Math.max(0, endsMs - startsMs) / 1000 : null,
    ackedBy: ended ? (endedBy ?? by) : by,
  };
}

/** `silence 12 by ann until 2026-11-28 12:00:00Z: sensor freezer-01 (door is open)`. */
function messageFor({ id, matchers, endsMs, by, comment, endedBy }: Silence, ended: boolean): string {
  const labels = Object.entries(matchers).map(([name, pattern]) => `${name} ${pattern}`);
  const about = `${labels.join(', ')}${comment === '' ? '' : ` (${comment})`}`;
  if (!ended) return `silence ${id} by ${by} until ${instant(endsMs)}: ${about}`;
  return `silence ${id} of ${by} is over${endedBy === undefined ? '' : `, ended by ${endedBy}`}: ${about}`;
}

const instant = (ms: Millis): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
