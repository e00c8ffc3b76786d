import type { Readings } from '../../api/contract/readings.ts';

/** A cell by RFC 4180; one that begins like a formula is kept from being one. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What the plots show: one line a metric and time, in UTC. */
export function csvOf({ sensor, metrics, stepS }: Readings): string {
  const lines = ['time,sensor,metric,unit,mean,min,max,step_s'];
  for (const { metric, unit, time, mean, min, max } of metrics)
    time.forEach((at, index) => {
      const values = [mean[index]!, min[index]!, max[index]!].map(String);
      const cells = [new Date(at).toISOString(), sensor, metric, unit ?? '', ...values, String(stepS)];
      lines.push(cells.map(cell).join(','));
    });
  return `${lines.join('\r\n')}\r\n`;
}
