import type { Millis } from '../reading.ts';
import type { Cell } from './cell.ts';
import type { Engine } from './engine.ts';
import { startedAtMs } from './row.ts';
import type { AlertIdOf } from './row.ts';
import type { Series } from './series.ts';

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
  const { kind, sensorId, alertType, by } = command;
  const found = find(engine, sensorId, alertType);
  if (found === undefined) return 'not_open';
  const { series, cell } = found;
  engine.enter(series);
  if (!('episode' in cell.work)) return 'not_open';
  const { startedAtUs, ack } = cell.work.episode;
  if (
    command.alertId !== undefined &&
    command.alertId !== alertId(sensorId, alertType, startedAtMs(startedAtUs))
  )
    return 'not_open';
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
  const found = find(engine, sensorId, alertType);
  return found !== undefined && 'episode' in found.cell.committed;
}

function find(
  engine: Engine,
  sensorId: number,
  alertType: string,
): { series: Series; cell: Cell } | undefined {
  for (const series of engine.openNow()) {
    if (series.sensorId !== sensorId) continue;
    const cell = series.cells.find(({ condition }) => condition.alertType === alertType);
    if (cell !== undefined) return { series, cell };
  }
  return undefined;
}
