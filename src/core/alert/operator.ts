import type { Millis } from '../reading.ts';
import type { Cell } from './cell.ts';
import type { Engine } from './engine.ts';
import { idOf, keyOfCell } from './row.ts';
import type { AlertIdOf } from './row.ts';
import type { Series } from './series.ts';
import type { Ack } from './state.ts';

/** What an operator wants of one open alert. */
export interface AlertCommand {
  readonly kind: 'ack' | 'resolve';
  readonly sensorId: number;
  readonly alertType: string;
  /** The episode that was meant; undefined: whichever is open. */
  readonly alertId: string | undefined;
  readonly by: string;
}

/** `already`: it was acknowledged before. `not_open`: there is no such episode, or not any more. */
export type CommandOutcome = 'done' | 'already' | 'not_open';

/** Does it within the generation in hand. */
export function applyCommand(
  engine: Engine,
  command: AlertCommand,
  atMs: Millis,
  alertId: AlertIdOf,
): CommandOutcome {
  const { kind, by } = command;
  const found = find(engine, command, alertId);
  if (found === undefined) return 'not_open';
  const { series, cell, ack } = found;
  if (kind === 'ack' && ack !== undefined) return 'already';
  const last = series.lastFor(cell);
  engine.apply(series, cell, kind === 'ack' ? { kind, atMs, by, last } : { kind, atMs, last }, atMs);
  return 'done';
}

/** Whether this engine has an open alert that a command may be about. */
export function isOpen(
  engine: Engine,
  { sensorId, alertType }: Pick<AlertCommand, 'sensorId' | 'alertType'>,
): boolean {
  for (const { cell } of cellsOf(engine, sensorId, alertType)) if ('episode' in cell.committed) return true;
  return false;
}

/** Of several alerts of one type the one that was meant, or the first. */
function find(
  engine: Engine,
  { sensorId, alertType, alertId }: AlertCommand,
  made: AlertIdOf,
): { series: Series; cell: Cell; ack: Ack | undefined } | undefined {
  for (const { series, cell } of cellsOf(engine, sensorId, alertType)) {
    engine.enter(series);
    if (!('episode' in cell.work)) continue;
    const { episode } = cell.work;
    if (alertId === undefined || alertId === idOf(keyOfCell(series, cell), episode, made))
      return { series, cell, ack: episode.ack };
  }
  return undefined;
}

/** A type is a label that several alerts of a sensor may share. */
function cellsOf(engine: Engine, sensorId: number, alertType: string): { series: Series; cell: Cell }[] {
  return engine
    .openOf(sensorId)
    .flatMap((series) =>
      series.cells
        .filter(({ condition }) => condition.alertType === alertType)
        .map((cell) => ({ series, cell })),
    );
}
