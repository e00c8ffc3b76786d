import { type CliCommand, subcommand } from '../command.ts';
import { rulesBacktestCommand } from './backtest.ts';
import { rulesCheckCommand } from './check.ts';
import { rulesExportCommand } from './export.ts';
import { rulesSuggestCommand } from './suggest.ts';
import { rulesTestCommand } from './test.ts';

/** `fieldwatch rules check|test|backtest|suggest|export`. */
export const rulesCommand: CliCommand = (cli) =>
  subcommand(
    'rules',
    'check and test alert rules, and run them over what is stored',
    'fieldwatch rules backtest --since 7d --rules new-alerts.yaml',
  )
    .addCommand(rulesCheckCommand(cli))
    .addCommand(rulesTestCommand(cli))
    .addCommand(rulesBacktestCommand(cli))
    .addCommand(rulesSuggestCommand(cli))
    .addCommand(rulesExportCommand(cli));
