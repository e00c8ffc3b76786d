import { type CliCommand, subcommand } from '../command.ts';
import { correlateCommand } from './correlate.ts';
import { describeCommand } from './describe.ts';
import { missingCommand } from './missing.ts';
import { outliersCommand } from './outliers.ts';
import { patternCommand } from './pattern.ts';
import { resampleCommand } from './resample.ts';

/** `fieldwatch analyze describe|correlate|pattern|missing|resample|outliers`. All of it is computed by the database. */
export const analyzeCommand: CliCommand = (cli) =>
  subcommand(
    'analyze',
    'describe, correlate and resample what is stored; patterns, gaps and outliers',
    'fieldwatch analyze describe --since 30d',
  )
    .addCommand(describeCommand(cli))
    .addCommand(correlateCommand(cli))
    .addCommand(patternCommand(cli))
    .addCommand(missingCommand(cli))
    .addCommand(resampleCommand(cli))
    .addCommand(outliersCommand(cli));
