import { Option } from 'commander';
import {
  OUTLIERS_SUMMARY,
  OUTLIERS,
  OUTLIER_DEFAULTS,
  THRESHOLDS,
  type OutlierMethod,
  outliers,
} from '../../queries/analyze/outliers.ts';
import { DEFAULT_WINDOW } from '../../queries/analyze/input.ts';
import type { Outlier } from '../../queries/rows.ts';
import { type RowLimit, durationOption, limitOption, numeric } from '../arguments.ts';
import { type CliCommand, subcommand } from '../command.ts';
import { onDatabase } from '../read-command.ts';
import { limited } from '../output/rows.ts';
import { type AnalyzeOptions, METRIC_OPTION, chosenOf, fields, show, withAnalyzeOptions } from './options.ts';

interface Options extends AnalyzeOptions {
  readonly metric: string;
  readonly method: OutlierMethod;
  readonly threshold?: number;
  readonly minValues: number;
  readonly window: number;
  readonly limit: RowLimit;
}

/** `fieldwatch analyze outliers`. */
export const outliersCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'outliers',
      OUTLIERS_SUMMARY,
      'fieldwatch analyze outliers --metric temperature --window 1h --since 7d\n' +
        'fieldwatch analyze outliers --method mad --since 30d --threshold 5',
    ),
    '7d',
  )
    .option(...METRIC_OPTION)
    .addOption(
      new Option(
        '--method <name>',
        'rolling: mean and deviation of the time before; mad: median and absolute deviation of the range; z: mean and deviation of the range',
      )
        .choices(OUTLIERS)
        .default(OUTLIER_DEFAULTS.method),
    )
    .option('--threshold <n>', 'deviations at least (default: 3; of mad 3.5)', numeric(0.1, 1000, false))
    .addOption(durationOption('--window <duration>', 'of rolling: the time before a value', DEFAULT_WINDOW))
    .option(
      '--min-values <n>',
      'with fewer values in it no verdict',
      numeric(2, 1e9),
      OUTLIER_DEFAULTS.minValues,
    )
    .addOption(limitOption(100))
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric, method, threshold = THRESHOLDS[method], minValues, window: windowMs } = options;
        const query = { ...chosenOf(options), metric, method, threshold, minValues, windowMs };
        const rows = await limited(cli, options, (limit) => outliers(db, { ...query, limit }));
        show(
          cli,
          fields<Outlier>('time', 'sensor', 'location', 'value', 'expected', 'spread', 'score'),
          rows,
          options,
        );
        return 0;
      }),
    );
