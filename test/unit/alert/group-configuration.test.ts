import { describe, expect, test } from '@jest/globals';
import { checkShareGroup } from '../../../src/cli/doctor/share-group.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { sectionDigests } from '../../../src/config/section-digests.ts';
import { DIFFERENT_AFTER_MS } from '../../../src/core/alert/cluster/group-configuration.ts';
import { LEASE_MS, type ShardMember } from '../../../src/core/alert/cluster/shard.ts';
import { ConfigurationWatch } from '../../../src/services/alert/cluster/configuration-watch.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const configOf = (text: string) => loadConfig({ text, env: {} }).config;
const digestsOf = (text: string) => sectionDigests(configOf(text));
const ROUTES = 'routes: [{ topic: "a/{device}", codec: json }]\n';
const OWN = digestsOf(`${ROUTES}alerts: { metrics: { temperature: { max: 30, for: 1m } } }`);
const OTHER = digestsOf(`${ROUTES}alerts: { metrics: { temperature: { max: 31, for: 1m } } }`);

/** Looks each half second at rows in which the other member has `configuration`. */
function watched() {
  const [logger, metrics] = [new QuietLogger(), new RecordingMetrics()];
  const watch = new ConfigurationWatch({ group: 'crew', member: 'a', own: () => OWN, logger, metrics });
  let nowMs = 0;
  return {
    logger,
    metrics,
    look: (ms: number, configuration?: ShardMember['configuration'], leasedForMs = LEASE_MS) => {
      for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 500) {
        const row = (id: string) => ({ id, joinedAtMs: 0, leasedUntilMs: nowMs + leasedForMs });
        const other = configuration === undefined ? row('b') : { ...row('b'), configuration };
        watch.check({ nowMs, members: [{ ...row('a'), configuration: OWN }, other], shards: [] });
      }
    },
  };
}

describe('the digests of the configuration', () => {
  test('are those of the settings, not of the way in which they are written', () => {
    expect(digestsOf(`alerts: { metrics: { temperature: { for: 60s, max: 30 } } }\n${ROUTES}`)).toEqual(OWN);
  });

  test.each([
    ['a limit', ['alerts'], `${ROUTES}alerts: { metrics: { temperature: { max: 31, for: 1m } } }`],
    ['a route', ['routes'], 'routes: [{ topic: "b/{device}", codec: json }]'],
    ['the lateness', ['alerts'], `${ROUTES}alerts: { allowed_lateness: 3s }`],
    ['a declared sensor', ['sensors'], `${ROUTES}sensors: { declare: { freezer-1: { type: freezer } } }`],
  ])('differ by %s', (_what, sections, text) => {
    const plain = digestsOf(ROUTES);
    const changed = Object.entries(digestsOf(text)).filter(
      ([section, digest]) => plain[section as keyof typeof plain] !== digest,
    );
    expect(changed.map(([section]) => section)).toEqual(sections);
  });

  test('do not depend on the settings of a single member', () => {
    expect(digestsOf(`${ROUTES}mqtt: { client_id: other }\nhttp: { enabled: false }`)).toEqual(
      digestsOf(ROUTES),
    );
  });
});

describe('members of a share group with different rules', () => {
  test('are warned of once, after a minute, and the end of it is logged', () => {
    const { logger, metrics, look } = watched();
    look(DIFFERENT_AFTER_MS, OTHER);
    expect(logger.entries).toEqual([]);
    look(DIFFERENT_AFTER_MS, OTHER);
    expect(logger.entries).toMatchObject([
      { level: 'warn', fields: { group: 'crew', different: [{ member: 'b', sections: ['alerts'] }] } },
    ]);
    expect(metrics.values.get('fieldwatch_share_members_different')).toBe(1);
    look(1000, OWN);
    expect(logger.entries.slice(1)).toMatchObject([{ level: 'info', fields: { group: 'crew' } }]);
    expect(metrics.values.get('fieldwatch_share_members_different')).toBe(0);
  });

  test('are not warned of while they are reconfigured one after the other', () => {
    const { logger, look } = watched();
    for (let round = 0; round < 3; round++) {
      look(DIFFERENT_AFTER_MS - 500, OTHER);
      look(1000, OWN);
    }
    expect(logger.entries).toEqual([]);
  });

  test('are not compared with one of an earlier version, or with one whose lease ran out', () => {
    const { logger, look } = watched();
    look(2 * DIFFERENT_AFTER_MS);
    look(2 * DIFFERENT_AFTER_MS, OTHER, 0);
    expect(logger.entries).toEqual([]);
  });

  test('are found by doctor, with the sections', () => {
    const row = (member: string, configuration: typeof OWN | null) => ({ member, shards: 32, configuration });
    const status = { away: [], unowned: 0, waiting: 0, oldestAt: null };
    const check = (...members: ReturnType<typeof row>[]) =>
      checkShareGroup('crew', { ...status, members }, 0);
    const found = check(row('a', OWN), row('b', OTHER));
    expect([found.status, found.detail]).toEqual([
      'warning',
      expect.stringContaining('the members have different alerts'),
    ]);
    expect(check(row('a', OWN), row('b', OWN), row('c', null)).status).toBe('ok');
  });
});
