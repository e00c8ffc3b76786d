import { TableHead } from '../components/table-head.tsx';
import { usePage } from '../context.ts';
import { formatValue } from '../format/number.ts';
import { counted } from '../format/number.ts';
import type { SourceColumns } from './gaps.ts';

const MOST = 500;

const figure = (label: string) => ({ label, number: true });

/** The plot in figures, the newest first. */
export function PlotTable({
  source,
  stepMs,
  metric,
  unit,
  label,
}: {
  readonly source: SourceColumns;
  readonly stepMs: number;
  readonly metric: string;
  readonly unit: string | null;
  readonly label: string;
}) {
  const { time } = usePage();
  const { length } = source.time;
  const indexes = Array.from({ length: Math.min(MOST, length) }, (_, at) => length - 1 - at);
  const text = (value: number | null | undefined): string => formatValue(value, { metric, unit }).number;
  return (
    <div class="plot-table" tabIndex={0} role="region" aria-label={`${label} as a table`}>
      <table class="table">
        <TableHead
          columns={[
            'Time',
            figure(stepMs === 0 ? 'Value' : 'Mean'),
            ...(stepMs === 0 ? [] : [figure('Lowest'), figure('Highest')]),
          ]}
        />
        <tbody>
          {indexes.map((index) => (
            <tr key={source.time[index]}>
              <td>{time.point(source.time[index]!, stepMs)}</td>
              <td class="number">{text(source.mean[index])}</td>
              {stepMs === 0 ? null : (
                <>
                  <td class="number">{text(source.min[index])}</td>
                  <td class="number">{text(source.max[index])}</td>
                </>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {length > MOST ? (
        <p class="soft small">
          These are the newest {MOST} of {counted(length, 'point')}; the export has all.
        </p>
      ) : null}
    </div>
  );
}
