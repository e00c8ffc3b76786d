import { describe, expect, test } from '@jest/globals';
import type { BrokerFacts } from '../../../src/adapters/mqtt/broker-limits.ts';
import { type BrokerTopics, checkBroker } from '../../../src/cli/doctor/broker.ts';
import {
  diagnoseDaemon,
  checkConservation,
  checkReadiness,
  checkSpool,
} from '../../../src/cli/doctor/daemon.ts';
import {
  checkClock,
  checkConnection,
  checkPolicies,
  checkSchema,
  checkTotals,
} from '../../../src/cli/doctor/database.ts';
import { diagnoseFolder, checkSpace } from '../../../src/cli/doctor/disk.ts';
import { checkFailover, checkReadServer } from '../../../src/cli/doctor/replication.ts';
import { type Diagnosis, isFault } from '../../../src/cli/doctor/report.ts';
import { loadConfig } from '../../../src/config/load.ts';

const configOf = (env: Record<string, string> = {}) => loadConfig({ text: 'routes: []', env }).config;
const REAL = { FIELDWATCH_MQTT_URL: 'mqtts://broker.example:8883' };

const facts: BrokerFacts = {
  url: 'mqtts://broker.example:8883',
  reachable: true,
  protocolVersion: 5,
  failure: undefined,
  authFailed: false,
  server: {
    receiveMaximum: 65_535,
    maximumQos: 2,
    retainAvailable: true,
    maximumPacketSize: undefined,
    wildcardSubscriptionAvailable: true,
    subscriptionIdentifiersAvailable: true,
    sharedSubscriptionAvailable: true,
    keepaliveS: undefined,
    sessionExpiryS: undefined,
    assignedClientId: undefined,
  },
  tls: { protocol: 'TLSv1.3', subject: 'CN=broker', certificateDaysLeft: 200 },
  clientCertificateDaysLeft: undefined,
};
const topics: BrokerTopics = { status: 'online', version: 'mosquitto version 2.0.18', dropped: 0 };

/** `status subject`, of what is not fine. */
const bad = (diagnoses: readonly Diagnosis[]): string[] =>
  diagnoses
    .filter(({ status }) => !['ok', 'note', 'skipped'].includes(status))
    .map(({ status, subject }) => `${status} ${subject}`);

describe('the broker', () => {
  test('a good one has no fault', () => {
    expect(bad(checkBroker(facts, topics, configOf(REAL)))).toEqual([]);
    expect(bad(checkBroker(facts, undefined, configOf(REAL)))).toEqual([]);
  });

  const server = (change: Partial<NonNullable<BrokerFacts['server']>>): Partial<BrokerFacts> => ({
    server: { ...(facts.server as NonNullable<BrokerFacts['server']>), ...change },
  });
  const tls = (certificateDaysLeft: number) => ({
    tls: { protocol: 'x', subject: 'x', certificateDaysLeft },
  });

  test.each<[string, Partial<BrokerFacts>, string[]]>([
    ['MQTT 3.1.1', { protocolVersion: 4, server: undefined }, ['warning window']],
    ['QoS 0 only', server({ maximumQos: 0 }), ['fault qos']],
    ['no wildcards', server({ wildcardSubscriptionAvailable: false }), ['fault wildcards']],
    ['no retain', server({ retainAvailable: false }), ['warning retain']],
    ['short sessions', server({ sessionExpiryS: 60 }), ['warning session']],
    ['an old certificate', tls(-3), ['fault certificate']],
    ['a certificate that ends soon', tls(5), ['warning certificate']],
    ['an old client certificate', { clientCertificateDaysLeft: -1 }, ['fault client certificate']],
    [
      'unreachable',
      {
        protocolVersion: undefined,
        reachable: false,
        failure: { kind: 'network', reason: 'x', slow: false },
      },
      ['fault connection'],
    ],
  ])('%s', (_, change, expected) => {
    const diagnoses = checkBroker({ ...facts, ...change }, topics, configOf(REAL));
    expect(bad(diagnoses)).toEqual(expected);
    for (const one of diagnoses.filter(isFault)) expect(one.remedy).toMatch(/\w/);
  });

  test('a share group that the broker refuses', () => {
    const config = configOf({ ...REAL, FIELDWATCH_MQTT_SHARE_GROUP: 'g' });
    const without = { ...facts, ...server({ sharedSubscriptionAvailable: false }) };
    expect(bad(checkBroker(without, topics, config))).toEqual(['fault shared']);
    expect(bad(checkBroker(without, topics, configOf(REAL)))).toEqual([]);
  });

  test('an embedded broker that does not run is no fault; its MQTT 3.1.1 is as it should be', () => {
    const url = 'mqtt://127.0.0.1:1883';
    const away = { ...facts, url, protocolVersion: undefined, reachable: false };
    expect(checkBroker(away, undefined, configOf())).toMatchObject([{ status: 'skipped' }]);
    expect(
      bad(checkBroker({ ...facts, url, protocolVersion: 4, server: undefined }, topics, configOf())),
    ).toEqual([]);
  });

  test('dropped messages', () => {
    const packets = (maximumPacketSize: number | undefined) =>
      checkBroker({ ...facts, ...server({ maximumPacketSize }) }, topics, configOf(REAL)).find(
        ({ subject }) => subject === 'packets',
      );
    expect(packets(undefined)).toMatchObject({
      status: 'note',
      detail: expect.stringContaining('counted nowhere'),
    });
    expect(packets(268_435_455)).toMatchObject({ status: 'note' });
    expect(packets(16_777_216)).toMatchObject({ status: 'ok' });
    expect(bad(checkBroker(facts, { ...topics, dropped: 12 }, configOf(REAL)))).toEqual(['warning queue']);
  });
});

describe('the database', () => {
  test.each<[number, number, string]>([
    [500, 10, 'ok'],
    [-1_900, 10, 'ok'],
    [3_000, 10, 'warning'],
    // An answer that took four seconds proves little.
    [3_000, 4_000, 'ok'],
    [-70_000, 10, 'fault'],
  ])('clocks %i ms apart, seen through %i ms: %s', (difference, roundTrip, status) => {
    expect(checkClock(difference, roundTrip).status).toBe(status);
  });

  test.each([
    [{ pooler: undefined, encoding: 'UTF8' }, []],
    [{ pooler: undefined, encoding: 'LATIN1' }, ['warning encoding']],
    [{ pooler: undefined, encoding: 'SQL_ASCII' }, ['warning encoding']],
    [{ pooler: 'session', encoding: 'UTF8' }, ['note pooler']],
  ] as const)('the connection %j', (server, expected) => {
    const diagnoses = checkConnection(server);
    expect(diagnoses.map(({ status, subject }) => `${status} ${subject}`)).toEqual(expected);
    for (const one of bad(diagnoses).length > 0 ? diagnoses : [])
      expect(one.remedy).toContain('ENCODING UTF8');
  });

  const entry = (version: number, state: 'applied' | 'pending' | 'changed' | 'unknown') => ({
    version,
    name: `m${version}`,
    state,
    appliedAt: null,
  });
  test.each([
    [[entry(1, 'applied'), entry(2, 'applied')], 2, 'ok', /up to date/],
    [[entry(1, 'applied'), entry(2, 'pending')], 1, 'fault', /version 1, this program needs 2/],
    [[entry(1, 'changed'), entry(2, 'applied')], 2, 'fault', /another content: m1/],
    [[entry(1, 'pending'), entry(2, 'applied')], 2, 'fault', /no row of m1/],
    [
      [entry(1, 'applied'), entry(2, 'applied'), entry(3, 'unknown')],
      3,
      'fault',
      /knows up to 2 \(unknown: m3\)/,
    ],
  ] as const)('schema %#', (entries, version, status, detail) => {
    const diagnosis = checkSchema({ version, target: 2, entries });
    expect(diagnosis).toMatchObject({ status, detail: expect.stringMatching(detail) });
  });

  test('findings are faults with their remedy, notes are notes, and their absence is reported', () => {
    const finding = {
      check: 'policies',
      subject: 'sensor_readings retention',
      verdict: 'missing',
      severity: 'critical',
      expected: 'a job',
      actual: 'none',
      remedy: 'SELECT …',
    } as const;
    expect(checkPolicies([finding], 3)).toMatchObject([
      { area: 'policies', status: 'fault', remedy: 'SELECT …' },
    ]);
    expect(checkPolicies([{ ...finding, subject: 'server' }], 3)).toMatchObject([{ area: 'database' }]);
    expect(checkPolicies([{ ...finding, severity: 'info' }], 3).map(({ status }) => status)).toEqual([
      'ok',
      'note',
    ]);
    expect(checkPolicies([], 3)).toMatchObject([{ status: 'ok', detail: '3 checks, no fault' }]);
  });
});

describe('the disk', () => {
  test.each<[number, string]>([
    [100e9, 'ok'],
    [1e9, 'warning'],
    [1e8, 'fault'],
  ])('%d bytes free: %s', (free, status) => {
    expect(checkSpace('state', '/x', free).status).toBe(status);
  });

  test('a folder that does not exist yet is checked by its nearest parent', async () => {
    expect((await diagnoseFolder('state', '/tmp/not/there/yet')).status).not.toBe('skipped');
    expect(await diagnoseFolder('state', '/proc/no')).toMatchObject({ status: 'fault' });
  });
});

describe('the daemon', () => {
  const items = (received: number) =>
    [
      `fieldwatch_ingest_items{outcome="received"} ${received}`,
      'fieldwatch_ingest_items{outcome="stored"} 7',
      'fieldwatch_ingest_items{outcome="in_flight"} 2',
      'fieldwatch_sensors 3',
    ].join('\n');

  test('the account must add up', () => {
    expect(checkConservation(items(9))).toMatchObject({
      status: 'ok',
      detail: 'received 9 = stored 7 + in_flight 2',
    });
    expect(checkConservation(items(10))).toMatchObject({
      status: 'fault',
      detail: expect.stringMatching(/≠.*sum 9/),
    });
    expect(checkConservation('').status).toBe('skipped');
  });

  test('the spool: its contents are reported, what needs the operator is a finding', () => {
    const metrics = (more: Record<string, number>) =>
      Object.entries({ 'items{lane="readings"}': 7, 'items{lane="alerts"}': 1, bytes: 900, ...more })
        .map(([name, value]) => `fieldwatch_spool_${name} ${value}`)
        .join('\n');
    expect(checkSpool('')).toMatchObject({ status: 'skipped' });
    expect(checkSpool(metrics({ oldest_age_seconds: 60 }))).toMatchObject({
      status: 'ok',
      detail: '8 items, 900 bytes, the oldest 60 s old',
    });
    expect(checkSpool(metrics({ full: 1 }))).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(/^full/),
    });
    expect(checkSpool(metrics({ parked_records: 2 }))).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(/^2 batches set aside/),
    });
  });

  test('readiness', () => {
    const body = (status: string) =>
      JSON.stringify({ status, checks: [{ name: 'mqtt', status, detail: 'away' }] });
    expect(checkReadiness(200, body('ok'))).toMatchObject([{ status: 'ok' }]);
    expect(checkReadiness(503, body('fail'))).toMatchObject([{ status: 'fault', detail: 'away' }]);
    expect(checkReadiness(200, body('degraded'))).toMatchObject([{ status: 'warning' }]);
    expect(checkReadiness(500, 'oops')).toMatchObject([{ status: 'fault', detail: 'HTTP status 500' }]);
  });

  test('calls the loopback address where the daemon listens on all; no daemon is no fault', async () => {
    const asked: string[] = [];
    const get = (async (url: string) => {
      asked.push(url);
      if (url.endsWith('/readyz')) return new Response('{"checks":[]}');
      return new Response(items(9));
    }) as typeof fetch;
    const config = configOf({
      FIELDWATCH_HTTP_HOST: '0.0.0.0',
      FIELDWATCH_HTTP_PORT: '1234',
      FIELDWATCH_HTTP_API: 'false',
    });
    expect((await diagnoseDaemon(config, get)).map(({ status }) => status)).toEqual(['ok', 'ok', 'skipped']);
    expect(asked).toEqual(['http://127.0.0.1:1234/readyz', 'http://127.0.0.1:1234/metrics']);
    const refused = (() => Promise.reject(new TypeError('fetch failed'))) as typeof fetch;
    expect(await diagnoseDaemon(config, refused)).toMatchObject([{ status: 'skipped' }]);
  });
});

test('what senders can add to: a warning from 80 % of a limit on', () => {
  const limits = { sensors: 100, metrics: 10 };
  const statuses = (sensors: number, metrics: number) =>
    checkTotals({ sensors, metrics }, limits).map(({ status }) => status);
  expect(statuses(79, 7)).toEqual(['ok', 'ok']);
  expect(statuses(80, 8)).toEqual(['warning', 'warning']);
  expect(statuses(100, 11)).toEqual(['warning', 'warning']);
  expect(checkTotals({ sensors: 100, metrics: 0 }, limits)[0]?.detail).toBe('100 of 100: full');
});

describe('replication', () => {
  const primary = { standby: false, synchronous: false, delayS: null };

  test('what a failover may lose is reported where there are several hosts', () => {
    expect(checkFailover('postgres://db/fw', primary)).toEqual([]);
    expect(checkFailover('postgres://a,b/fw', primary)).toMatchObject([
      { status: 'note', subject: 'failover' },
    ]);
    expect(checkFailover('postgres://a,b/fw', { ...primary, synchronous: true })).toMatchObject([
      { status: 'ok' },
    ]);
  });

  test.each([
    [primary, 'ok', 'it is no standby'],
    [{ standby: true, synchronous: false, delayS: 0.34 }, 'ok', '0.3 s behind'],
    [{ standby: true, synchronous: false, delayS: null }, 'ok', 'nothing'],
    [{ standby: true, synchronous: false, delayS: 61 }, 'warning', '61.0 s behind'],
  ])('the server of read_url: %j is %s', (seen, status, detail) => {
    expect(checkReadServer(seen)).toMatchObject({ status, detail: expect.stringContaining(detail) });
  });
});
