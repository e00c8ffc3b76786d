import { listAlerts, type ListedAlert, openAlerts } from '../queries/alerts.ts';
import { alertsAckCommand, alertsResolveCommand } from './alerts-ack.ts';
import { alertsKpiCommand } from './alerts-kpi.ts';
import { alertsSilenceCommand } from './alerts-silence.ts';
import { alertsTailCommand } from './alerts-tail.ts';
import { type Cli, type CliCommand, subcommand } from './command.ts';
import { formatCrossing } from './format.ts';
import { type ReadOptions, onDatabase, rangeOf, withReadOptions } from './read-command.ts';
import { limited, printRows } from './rows.ts';
import type { Column } from './table.ts';

interface ListOptions extends ReadOptions {
  readonly open?: boolean;
}

const COLUMNS: readonly Column<ListedAlert>[] = [
  { title: 'time', value: (row) => row.time },
  { title: 'sensor', value: (row) => row.sensor },
  { title: 'location', value: (row) => row.location },
  { title: 'alert_type', value: (row) => row.alertType },
  { title: 'severity', value: (row) => row.severity },
  {
    title: 'value',
    value: (row) => row.value,
    format: (_, row) => formatCrossing(row.alertType, row.value, row.threshold),
  },
  { title: 'state', value: standing },
  { title: 'resolved_at', value: (row) => row.resolvedAt },
];
/** A table shows the crossing in one cell; CSV gives each number its own. */
const CSV_COLUMNS: readonly Column<ListedAlert>[] = [
  ...COLUMNS.slice(0, -1),
  { title: 'threshold', value: (row) => row.threshold },
  ...COLUMNS.slice(-1),
  { title: 'peak_value', value: (row) => row.peakValue },
  { title: 'acked_at', value: (row) => row.ackedAt },
  { title: 'acked_until', value: (row) => row.ackedUntil },
  { title: 'acked_by', value: (row) => row.ackedBy },
  { title: 'suppressed', value: (row) => row.suppressed },
  { title: 'alert_id', value: (row) => row.alertId },
  { title: 'message', value: (row) => row.message },
];

/** `firing, acked by ann`, `latched`, `firing, silence`: the state, and what suppresses its notifications. */
function standing({ state, ackedBy, deferredBy }: ListedAlert): string {
  const acked = ackedBy === null ? [] : [`acked by ${ackedBy}`];
  return [state, ...acked, ...(deferredBy === null ? [] : [deferredBy])].join(', ');
}

const listCommand = (cli: Cli) =>
  withReadOptions(
    subcommand('list', 'alerts that fired, newest first', 'fieldwatch alerts list --open'),
    '24h',
  )
    .option('--open', 'alerts that are firing now, whenever they began')
    .action(
      onDatabase<ListOptions>(
        cli,
        async (db, options) => {
          const read = (limit: number | undefined) =>
            options.open === true
              ? openAlerts(db, { ...options, limit })
              : listAlerts(db, { ...options, ...rangeOf(options, Date.now()), limit });
          const rows = await limited(cli, options, read, 'alerts');
          printRows(cli, options.csv === true ? CSV_COLUMNS : COLUMNS, rows, options);
          return 0;
        },
        { readsOnly: true, subjects: true },
      ),
    );

/** `fieldwatch alerts list|tail|ack|resolve|silence|kpi`. */
export const alertsCommand: CliCommand = (cli) =>
  subcommand(
    'alerts',
    'list, watch, acknowledge and silence alerts, and measure how well the rules work',
    'fieldwatch alerts tail -f',
  )
    .addCommand(listCommand(cli))
    .addCommand(alertsTailCommand(cli))
    .addCommand(alertsAckCommand(cli))
    .addCommand(alertsResolveCommand(cli))
    .addCommand(alertsSilenceCommand(cli))
    .addCommand(alertsKpiCommand(cli));
