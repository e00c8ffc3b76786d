import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { MqttClient } from 'mqtt';
import { version } from '../src/lib/version.ts';

/** Facts of the machine on which the figures were measured. */
export interface MachineFacts {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryGib: number;
  readonly system: string;
  readonly node: string;
  /** One-minute load before the first measurement: a busy machine shows here. */
  readonly loadAverage: number;
}

export interface EngineFacts {
  readonly fieldwatch: string;
  readonly mqttjs: string;
  readonly postgresql: string | null;
  readonly timescaledb: string | null;
  readonly database: 'embedded' | 'server' | null;
  readonly broker: string | null;
}

export function machineFacts(): MachineFacts {
  return {
    cpus: availableParallelism(),
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round((totalmem() / 1024 ** 3) * 10) / 10,
    system: `${platform()} ${release()}`,
    node: process.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

export function engineFacts(found: Partial<EngineFacts>): EngineFacts {
  return {
    fieldwatch: version(),
    mqttjs: String(MqttClient.VERSION),
    postgresql: null,
    timescaledb: null,
    database: null,
    broker: null,
    ...found,
  };
}

export function formatFacts(machine: MachineFacts, engines: EngineFacts): string {
  const known = (name: string, text: string | null) => (text === null ? [] : [`${name} ${text}`]);
  return [
    `${machine.cpus} CPUs (${machine.cpuModel}), ${machine.memoryGib} GiB, ${machine.system}, load ${machine.loadAverage}`,
    [
      `fieldwatch ${engines.fieldwatch}, node ${machine.node}, MQTT.js ${engines.mqttjs}`,
      ...known('PostgreSQL', engines.postgresql),
      ...known('TimescaleDB', engines.timescaledb),
      ...(engines.database === null ? [] : [`database: ${engines.database}`]),
      ...known('broker:', engines.broker),
    ].join(', '),
  ].join('\n');
}
