import { Command } from 'commander';
import type { CliCommand, ExitCode } from './command.ts';
import { type ProgramEnv, runCommand } from './program.ts';

/** A command as the help of the program lists it. Its file is loaded when it is called, so that no command waits for the others. */
export interface ListedCommand {
  readonly name: string;
  /** As in its file; a test compares them. */
  readonly summary: string;
  readonly load: () => Promise<CliCommand>;
}

/** Every command, in the order of the help. A new command is one file and one entry here. */
export const COMMANDS: readonly ListedCommand[] = [
  {
    name: 'run',
    summary: 'run the daemon: with the embedded database and broker unless the configuration names real ones',
    load: async () => (await import('./run.ts')).runCommand,
  },
  {
    name: 'demo',
    summary: 'embedded TimescaleDB, embedded broker, the daemon and simulated sensors, until Ctrl-C',
    load: async () => (await import('./demo/index.ts')).demoCommand,
  },
  {
    name: 'simulate',
    summary:
      'publish readings of simulated sensors at QoS 1, until Ctrl-C or a limit; or store a simulated past',
    load: async () => (await import('./simulate.ts')).simulateCommand,
  },
  {
    name: 'check-config',
    summary: 'report every fault of a configuration at once, with line and column; exit 2 if there is one',
    load: async () => (await import('./check-config.ts')).checkConfigCommand,
  },
  {
    name: 'print-config',
    summary: 'print the configuration in effect as YAML, secrets masked',
    load: async () => (await import('./print-config.ts')).printConfigCommand,
  },
  {
    name: 'migrate',
    summary: 'bring the database schema up to date',
    load: async () => (await import('./migrate.ts')).migrateCommand,
  },
  {
    name: 'decode',
    summary: 'show what a configuration makes of a payload, as one JSON line per message',
    load: async () => (await import('./decode/index.ts')).decodeCommand,
  },
  {
    name: 'capture',
    summary: 'write the messages of a live broker to a file, one JSON line each, until a limit or Ctrl-C',
    load: async () => (await import('./capture/index.ts')).captureCommand,
  },
  {
    name: 'learn',
    summary: 'listen to a broker, detect devices and formats, and print a configuration that stores them',
    load: async () => (await import('./learn.ts')).learnCommand,
  },
  {
    name: 'sensors',
    summary: 'list, show, describe, rename, merge, forget and retire sensors',
    load: async () => (await import('./sensors/index.ts')).sensorsCommand,
  },
  {
    name: 'metrics',
    summary: 'list and forget names of metrics; figures of programs',
    load: async () => (await import('./metrics.ts')).metricsCommand,
  },
  {
    name: 'readings',
    summary: 'look at stored readings: latest, recent, statistics, gaps, anomalies',
    load: async () => (await import('./readings/index.ts')).readingsCommand,
  },
  {
    name: 'analyze',
    summary: 'describe, correlate and resample what is stored; patterns, gaps and outliers',
    load: async () => (await import('./analyze/index.ts')).analyzeCommand,
  },
  {
    name: 'export',
    summary: 'write readings, metrics, alerts, aggregates or dead letters as CSV, NDJSON, Parquet or Arrow',
    load: async () => (await import('./export/index.ts')).exportCommand,
  },
  {
    name: 'import',
    summary: 'store readings of CSV, NDJSON, Parquet, Arrow and InfluxDB line protocol files',
    load: async () => (await import('./import.ts')).importCommand,
  },
  {
    name: 'alerts',
    summary: 'list, watch, acknowledge and silence alerts, and measure how well the rules work',
    load: async () => (await import('./alerts/index.ts')).alertsCommand,
  },
  {
    name: 'rules',
    summary: 'check and test alert rules, and run them over what is stored',
    load: async () => (await import('./rules/index.ts')).rulesCommand,
  },
  {
    name: 'notify',
    summary: 'undelivered notifications of each sink, and whether a sink accepts notifications',
    load: async () => (await import('./notify/index.ts')).notifyCommand,
  },
  {
    name: 'policies',
    summary: 'verify, show and repair the policies of the database',
    load: async () => (await import('./policies/index.ts')).policiesCommand,
  },
  {
    name: 'storage',
    summary: 'sizes, chunks, compression and aggregates, by hand',
    load: async () => (await import('./storage/index.ts')).storageCommand,
  },
  {
    name: 'dead-letters',
    summary: 'look at messages that gave no reading, and publish them again',
    load: async () => (await import('./dead-letters/index.ts')).deadLettersCommand,
  },
  {
    name: 'doctor',
    summary:
      'check broker, database, schema, policies, disk, sinks and the running daemon; a remedy for each fault',
    load: async () => (await import('./doctor/index.ts')).doctorCommand,
  },
];

/** Loads the command that is called; the others are only listed. */
export const runProgram = (argv: readonly string[], env: ProgramEnv): Promise<ExitCode> =>
  runCommand(argv, env, (cli, called) =>
    Promise.all(
      COMMANDS.map(async ({ name, summary, load }) =>
        name === called ? (await load())(cli) : new Command(name).summary(summary),
      ),
    ),
  );
