import type { WaitingRow } from '../../src/core/alert/waiting.ts';
import type { LastReading, ReadingSpan } from '../../src/ports.ts';

/** The table `alert_watermarks` in memory. */
export class WatermarkRows {
  rows: { readonly id: number; readonly row: WaitingRow }[] = [];
  private ids = 0;

  write(row: WaitingRow | undefined): void {
    if (row === undefined) return;
    const id = ++this.ids;
    const { replaces, group, writer } = row;
    if (replaces !== undefined)
      this.rows = this.rows.filter(
        (each) => each.row.group !== group || (each.row.writer !== writer && each.id > Number(replaces)),
      );
    this.rows.push({ id, row });
  }

  load(group: string) {
    const rows = this.rows.filter(({ row }) => row.group === group);
    return { rows: rows.map(({ row }) => row.columns), upTo: String(rows.at(-1)?.id ?? 0) };
  }
}

/** As the store finds them: no order is promised. */
export const readingsIn = (all: Iterable<LastReading>, spans: readonly ReadingSpan[]): LastReading[] =>
  [...all]
    .filter(({ sensorId, timeUs }) =>
      spans.some((span) => span.sensorId === sensorId && timeUs >= span.fromUs && timeUs <= span.toUs),
    )
    .reverse();
