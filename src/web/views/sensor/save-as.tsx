import { useState } from 'preact/hooks';
import type { ExportFormat, ExportRows } from '../../../api/contract/export.ts';
import type { Readings } from '../../../api/contract/readings.ts';
import { usePage } from '../../context.ts';
import { durationText } from '../../format/duration.ts';
import { sensorPath } from '../../rest/client.ts';

const FORMATS: Readonly<Record<ExportFormat, string>> = { csv: 'CSV', parquet: 'Parquet' };

/** Files of the time and metrics that are shown: the readings themselves, or the buckets that are drawn. */
export function SaveAs({ readings }: { readonly readings: Readings }) {
  const { daemon } = usePage();
  const { sensor, metrics, from, to, stepS, source } = readings;
  const [chosen, setChosen] = useState<ExportRows>();
  // The readings behind hourly and daily figures may be gone.
  const rows = stepS === 0 ? 'readings' : (chosen ?? (source === 'raw' ? 'readings' : 'buckets'));
  const query = {
    ...{ metric: metrics.map(({ metric }) => metric), from, to, rows },
    step: rows === 'buckets' ? stepS : undefined,
  };
  return (
    <span class="save-as">
      {stepS === 0 ? (
        <span>Save the readings as</span>
      ) : (
        <label>
          Save{' '}
          <select
            class="select small"
            value={rows}
            onChange={(event) => setChosen(event.currentTarget.value as ExportRows)}
          >
            <option value="readings">every reading of this time</option>
            <option value="buckets">what is drawn, {durationText(stepS)} a point</option>
          </select>{' '}
          as
        </label>
      )}
      {(Object.keys(FORMATS) as ExportFormat[]).map((format) => (
        <a
          key={format}
          class="button small"
          href={daemon.client.urlOf(`${sensorPath(sensor)}/export`, { ...query, format })}
          download
          data-save={format}
        >
          {FORMATS[format]}
        </a>
      ))}
    </span>
  );
}
