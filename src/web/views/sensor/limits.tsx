import type { Limit, Sensor } from '../../../api/contract/sensors.ts';
import { SeverityBadge } from '../../components/badge.tsx';
import { Card } from '../../components/card.tsx';
import { Empty } from '../../components/notice.tsx';
import { TableHead } from '../../components/table-head.tsx';
import { Foreign, Name } from '../../components/text.tsx';
import { durationText } from '../../format/duration.ts';
import { valueText } from '../../format/number.ts';
import { metricName } from '../../format/unit.ts';

function limitText({ measure, side, bound, boundUnit, metric }: Limit): string {
  if (boundUnit === 's') return `${measure} longer than ${durationText(bound)}`;
  const direction = side === 'low' ? 'below' : side === 'both' ? 'beyond ±' : 'above';
  return `${measure} ${direction} ${valueText(bound, { metric, unit: boundUnit })}`;
}

function conditionsOf({ forS, keepFiringForS, hysteresis, latch, metric, boundUnit }: Limit): string {
  return [
    forS > 0 ? `for ${durationText(forS)} before it fires` : '',
    hysteresis > 0 ? `clears ${valueText(hysteresis, { metric, unit: boundUnit })} inside` : '',
    keepFiringForS > 0 ? `stays for ${durationText(keepFiringForS)} after` : '',
    latch ? 'stays until it is acknowledged' : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

export function Limits({ sensor }: { readonly sensor: Sensor }) {
  return (
    <Card title="Limits in effect" note="When this sensor raises an alert" flush>
      {sensor.limits.length === 0 ? (
        <Empty title="No limits.">
          Nothing of this sensor raises an alert. Limits are set under <code>alerts</code> in the
          configuration.
        </Empty>
      ) : (
        <table class="table stacking" data-list="limits">
          <TableHead columns={['Severity', 'Metric', 'Fires at', 'From']} />
          <tbody>
            {sensor.limits.map((limit) => (
              <tr key={`${limit.alertType} ${limit.severity} ${limit.bound} ${limit.kind}`}>
                <td data-label="Severity">
                  <SeverityBadge severity={limit.severity} />
                </td>
                <td data-label="Metric">
                  {limit.metric === '' ? 'Sensor' : <Name text={metricName(limit.metric)} most={30} />}
                </td>
                <td data-label="Fires at">
                  {limitText(limit)}
                  <div class="soft small">{conditionsOf(limit)}</div>
                  {limit.runbook === null ? null : (
                    <div class="small break">
                      <Foreign text={limit.runbook} />
                    </div>
                  )}
                </td>
                <td data-label="From" class="soft small break">
                  {limit.from}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
