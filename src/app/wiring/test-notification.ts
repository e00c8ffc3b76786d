import { randomUUID } from 'node:crypto';
import { publishOnce } from '../../adapters/mqtt/publish-once.ts';
import type { Config } from '../../config/schema/index.ts';
import { type AlertNotification, OF_NO_END, type Severity } from '../../core/alert/model.ts';
import { SinkError, sinkError } from '../../core/notify/sink-error.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import type { Clock } from '../../ports/time.ts';
import { type SinkConfig, createSink } from '../../sinks/index.ts';
import { brokerUrl, mqttOptions } from '../options.ts';
import { textDefaults } from './texts.ts';

/** A sink outside the daemon: for `notify test` and `doctor`. */
export function loneSink(config: Config, sink: SinkConfig, clock: Clock): NotificationSink {
  const url = brokerUrl(config);
  return createSink(sink, {
    clock,
    texts: textDefaults(config),
    factsOf: () => ({ name: null, location: null }),
    publish: (topic, payload, options) =>
      publishOnce(mqttOptions(config, url, []), url, topic, payload, options),
  });
}

export type SampleOutcome =
  { readonly ok: true; readonly tookMs: number } | { readonly ok: false; readonly failure: SinkError };

/** Sends the sink a test alert, and, where it keeps states, its end. */
export async function sendSample(
  sink: NotificationSink,
  settings: Pick<SinkConfig, 'name' | 'timeout'>,
  severity: Severity,
  clock: Clock,
): Promise<SampleOutcome> {
  const startedMs = clock.monotonicMs();
  const alertId = randomUUID();
  const notify = (event: 'firing' | 'resolved', seq: number) => {
    const sample = sampleOf(settings.name, { alertId, event, seq, severity }, clock.nowMs());
    const notification = { ...sample, facts: { name: 'fieldwatch', location: null } };
    const signal = AbortSignal.timeout(settings.timeout);
    return sink.send({ notifications: [notification], total: 1 }, signal);
  };
  try {
    await notify('firing', 1);
    if (sink.keepsState === true) await notify('resolved', 2);
    return { ok: true, tookMs: Math.round(clock.monotonicMs() - startedMs) };
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    const failure = late
      ? new SinkError('away', `no answer within ${settings.timeout} ms`)
      : sinkError(error);
    return { ok: false, failure };
  }
}

function sampleOf(
  sink: string,
  about: Pick<AlertNotification, 'alertId' | 'event' | 'seq' | 'severity'>,
  nowMs: number,
): AlertNotification {
  const over = about.event === 'resolved';
  return {
    ...about,
    sensorId: 0,
    sensorKey: 'fieldwatch',
    alertType: 'test',
    message: `a test of the sink ${sink}: no sensor is in trouble`,
    value: 1,
    threshold: 0,
    eventTimeMs: nowMs,
    startedAtMs: nowMs,
    firedAtMs: nowMs,
    ...OF_NO_END,
    ...(over ? { durationS: 0, peakValue: 1, reason: 'manual', resolvedValue: 0 } : {}),
  };
}
