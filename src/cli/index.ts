import { alertsCommand } from './alerts.ts';
import { captureCommand } from './capture.ts';
import { checkConfigCommand } from './check-config.ts';
import type { CliCommand } from './command.ts';
import { deadLettersCommand } from './dead-letters.ts';
import { decodeCommand } from './decode.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { learnCommand } from './learn.ts';
import { metricsCommand } from './metrics.ts';
import { migrateCommand } from './migrate.ts';
import { notifyCommand } from './notify.ts';
import { policiesCommand } from './policies.ts';
import { printConfigCommand } from './print-config.ts';
import { readingsCommand } from './readings.ts';
import { rulesCommand } from './rules/index.ts';
import { runCommand } from './run.ts';
import { sensorsCommand } from './sensors.ts';
import { simulateCommand } from './simulate.ts';
import { storageCommand } from './storage.ts';

/** Every command, in the order of the help. A new command is one file and one line here. */
export const COMMANDS: readonly CliCommand[] = [
  runCommand,
  demoCommand,
  simulateCommand,
  checkConfigCommand,
  printConfigCommand,
  migrateCommand,
  decodeCommand,
  captureCommand,
  learnCommand,
  sensorsCommand,
  metricsCommand,
  readingsCommand,
  alertsCommand,
  rulesCommand,
  notifyCommand,
  policiesCommand,
  storageCommand,
  deadLettersCommand,
  doctorCommand,
];
