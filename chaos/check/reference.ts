import { configSchema } from '../../src/config/schema/index.ts';
import { batchOf } from '../../src/core/alert/engine/alert-batch.ts';
import { AlertEngine } from '../../src/core/alert/engine/engine.ts';
import type { AlertResolution, AlertRow } from '../../src/core/alert/model.ts';
import { RuleSet } from '../../src/core/alert/rules/rule-set.ts';
import { alertId } from '../../src/services/alert/alert-id.ts';
import type { Sent } from '../publishers.ts';
import { ALERTS, keyOf } from '../workload.ts';

/** One row of `sensor_alerts`, as far as event time decides it. */
export interface Episode {
  readonly sensor: string;
  readonly type: string;
  readonly fired: string;
  readonly started: string;
  readonly value: number;
  readonly threshold: number;
  readonly severity: string;
  readonly alertId: string;
  readonly resolved: string | null;
  readonly resolvedValue: number | null;
  readonly peakValue: number | null;
  readonly reason: string | null;
}

export const keyOfEpisode = ({ sensor, type, fired }: Episode): string => `${sensor} ${type} ${fired}`;
export const isoOfUs = (us: number): string => new Date(us / 1000).toISOString();

/** Episodes of the same readings without faults: each once, in order, at once. */
export function referenceEpisodes(
  sent: readonly (readonly Sent[])[],
  sensorIds: ReadonlyMap<string, number>,
): Map<string, Episode> {
  const engine = new AlertEngine(new RuleSet(configSchema.parse({ alerts: ALERTS }).alerts));
  const episodes = new Map<string, Episode>();
  for (const [number, list] of sent.entries()) {
    const key = keyOf(number);
    const id = sensorIds.get(key);
    if (id === undefined) continue;
    const sensor = { id, key, type: null, location: 'lab', tags: [] };
    engine.register(sensor);
    for (const { message } of list) {
      engine.begin();
      const { timeMs, temperature } = message;
      const metrics = new Map([['temperature', temperature]]);
      engine.reading({ sensor, timeUs: timeMs * 1000, receivedAtMs: timeMs, metrics });
      const { effects, touched } = engine.work;
      const { raised, resolved } = batchOf(effects, touched, alertId);
      for (const row of raised) open(episodes, key, row);
      for (const end of resolved) close(episodes, key, end);
      engine.commit();
    }
  }
  return episodes;
}

function open(episodes: Map<string, Episode>, sensor: string, row: AlertRow): void {
  const episode: Episode = {
    sensor,
    type: row.alertType,
    fired: isoOfUs(row.timeUs),
    started: isoOfUs(row.startedAtUs),
    value: row.value,
    threshold: row.threshold,
    severity: row.severity,
    alertId: row.alertId,
    resolved: null,
    resolvedValue: null,
    peakValue: null,
    reason: null,
  };
  episodes.set(keyOfEpisode(episode), episode);
}

function close(episodes: Map<string, Episode>, sensor: string, end: AlertResolution): void {
  const key = `${sensor} ${end.alertType} ${isoOfUs(end.firedAtUs)}`;
  const episode = episodes.get(key);
  if (episode === undefined || episode.resolved !== null) return;
  episodes.set(key, {
    ...episode,
    resolved: isoOfUs(end.resolvedAtUs),
    resolvedValue: end.resolvedValue,
    peakValue: end.peakValue,
    reason: end.reason,
  });
}
