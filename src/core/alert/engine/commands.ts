import type { Millis } from '../../reading.ts';
import { type Ack, ackEndMs } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import type { AlertEngine } from './engine.ts';
import type { Series } from './series.ts';
import { type AlertIdOf, idOf, keyOfInstance } from './state-row.ts';

/** An operator's command for one open alert. */
export interface AlertCommand {
  readonly kind: 'ack' | 'resolve';
  readonly sensorId: number;
  readonly alertType: string;
  /** The episode it is for; undefined: the open one. */
  readonly alertId: string | undefined;
  readonly by: string;
  /** End of an acknowledgement; absent: none. */
  readonly untilMs?: Millis | undefined;
}

/** `already`: it was acknowledged before. `not_open`: there is no such episode, or it has ended. */
export type CommandOutcome = 'done' | 'already' | 'not_open';

/** Applies the command within the current working set. */
export function applyCommand(
  engine: AlertEngine,
  command: AlertCommand,
  atMs: Millis,
  alertId: AlertIdOf,
): CommandOutcome {
  const { kind, by, untilMs } = command;
  const found = find(engine, command, alertId);
  if (found === undefined) return 'not_open';
  const { series, instance, ack } = found;
  // One that lasts longer takes its place.
  if (kind === 'ack' && ack !== undefined && ackEndMs(ack) >= (untilMs ?? Infinity)) return 'already';
  const last = series.lastFor(instance);
  engine.apply(
    series,
    instance,
    kind === 'ack' ? { kind, atMs, by, untilMs, last } : { kind, atMs, last },
    atMs,
  );
  return 'done';
}

/** Whether this engine has an open alert that a command may be for. */
export function isOpen(
  engine: AlertEngine,
  { sensorId, alertType }: Pick<AlertCommand, 'sensorId' | 'alertType'>,
): boolean {
  for (const { instance } of instancesOf(engine, sensorId, alertType))
    if ('episode' in instance.committed) return true;
  return false;
}

/** Among several alerts of one type the one with the given id, or the first. */
function find(
  engine: AlertEngine,
  { sensorId, alertType, alertId }: AlertCommand,
  made: AlertIdOf,
): { series: Series; instance: AlertInstance; ack: Ack | undefined } | undefined {
  for (const { series, instance } of instancesOf(engine, sensorId, alertType)) {
    engine.enter(series);
    if (!('episode' in instance.work)) continue;
    const { episode } = instance.work;
    if (alertId === undefined || alertId === idOf(keyOfInstance(series, instance), episode, made))
      return { series, instance, ack: episode.ack };
  }
  return undefined;
}

/** A type is a label that several alerts of a sensor may share. */
function instancesOf(
  engine: AlertEngine,
  sensorId: number,
  alertType: string,
): { series: Series; instance: AlertInstance }[] {
  return engine
    .openOf(sensorId)
    .flatMap((series) =>
      series.instances
        .filter(({ condition }) => condition.alertType === alertType)
        .map((instance) => ({ series, instance })),
    );
}
