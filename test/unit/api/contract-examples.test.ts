import { expect, test } from '@jest/globals';
import type { Alert } from '../../../src/api/contract/alerts.ts';
import { alertDetailSchema, alertListSchema, alertsQuery } from '../../../src/api/contract/alerts.ts';
import { deadLetterListSchema } from '../../../src/api/contract/dead-letters.ts';
import { decodeRequestSchema, decodedSchema } from '../../../src/api/contract/decode.ts';
import { eventSchemas } from '../../../src/api/contract/events.ts';
import { learnRequestSchema, learningSchema } from '../../../src/api/contract/learn.ts';
import { policiesSchema } from '../../../src/api/contract/policies.ts';
import { problemSchema } from '../../../src/api/contract/problem.ts';
import { readingsQuery, readingsSchema } from '../../../src/api/contract/readings.ts';
import { sensorListSchema, sensorSchema, sensorsQuery } from '../../../src/api/contract/sensors.ts';
import { newSilenceSchema, silenceListSchema } from '../../../src/api/contract/silences.ts';
import { statusSchema } from '../../../src/api/contract/status.ts';
import { chunkListSchema, storageSchema } from '../../../src/api/contract/storage.ts';

const at = '2026-01-31T12:00:00.000Z';
const id = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';

const alert: Alert = {
  alertId: id,
  system: false,
  sensor: 'coldroom-07',
  name: 'Door, left',
  location: 'coldroom',
  type: 'freezer',
  alertType: 'temperature_high',
  metric: 'temperature',
  unit: '°C',
  severity: 'critical',
  state: 'firing',
  message: 'coldroom-07: temperature 9.4 °C above 8 °C',
  value: 9.4,
  threshold: 8,
  peakValue: 11.2,
  extreme: 'highest',
  absence: false,
  time: at,
  startedAt: at,
  resolvedAt: null,
  resolvedValue: null,
  resolveReason: null,
  durationS: 320,
  ackedAt: null,
  ackedBy: null,
  ackedUntil: null,
  suppressed: null,
  deferredBy: 'silence',
  backfilled: false,
};

const intake = {
  perSecond: 12.5,
  received: 100,
  stored: 90,
  duplicate: 2,
  lateMerged: 1,
  conflict: 0,
  deadLettered: 3,
  filtered: 4,
  inFlight: 0,
};

const latest = { metric: 'temperature', value: 9.4, unit: '°C', time: at };

const identity = {
  key: 'coldroom-07',
  name: null,
  location: 'coldroom',
  type: null,
  tags: ['cold'],
  gateway: null,
  state: 'alert',
  retired: null,
  lastSeen: at,
  openAlerts: 1,
  latest: [latest],
};

const finding = {
  check: 'runs',
  subject: 'sensor_readings retention',
  verdict: 'stalled',
  severity: 'warning',
  expected: 'a run every hour',
  actual: 'none for 3 days',
  remedy: 'fieldwatch policies repair',
};

test.each([
  [
    'problem',
    problemSchema,
    {
      type: '/api/v1/problems/SENSOR_UNKNOWN',
      title: 'Not found',
      status: 404,
      detail: 'no sensor has the key "x"',
      code: 'SENSOR_UNKNOWN',
      remedy: 'did you mean "y"?',
      instance: '/api/v1/sensors/x',
    },
  ],
  [
    'status',
    statusSchema,
    {
      version: '0.1.0',
      startedAt: at,
      now: at,
      clientId: 'fieldwatch-1',
      embedded: true,
      verdict: {
        ok: false,
        severity: 'critical',
        sentence: '1 alert is open.',
        reasons: [{ severity: 'critical', text: '1 alert is open', link: 'alerts?state=open' }],
      },
      health: { status: 'ok', checks: [{ name: 'mqtt', status: 'ok', detail: null }] },
      intake,
      database: {
        connected: true,
        since: null,
        code: null,
        detail: null,
        host: '127.0.0.1:5432',
        embedded: true,
      },
      broker: {
        state: 'subscribed',
        detail: null,
        refusedFilters: 0,
        host: '127.0.0.1:1883',
        embedded: true,
      },
      spool: null,
      alerts: { critical: 1, warning: 0, info: 0, unacknowledged: 1, silenced: 0, pending: 0 },
      sensors: { total: 10, alert: 1, silent: 0, never: 0 },
      policies: { errors: 0, warnings: 0, checkedAt: at },
      deadLetters: { lastDay: 3 },
      notifications: [
        { sink: 'ops', kind: 'webhook', detail: null },
        { sink: 'mail', kind: 'email', detail: '535 refused' },
      ],
      retention: {
        ...{ rawS: 7_776_000, hourlyS: 31_536_000, dailyS: null },
        further: { rawS: 7_776_000, hourlyS: 31_536_000, dailyS: null },
      },
      access: { role: null, name: null, canWrite: false },
    },
  ],
  [
    'sensors',
    sensorListSchema,
    {
      items: [
        {
          ...identity,
          spark: { metric: 'temperature', unit: '°C', from: at, stepS: 3600, values: [1.5, null] },
        },
      ],
      next: null,
      total: 1,
    },
  ],
  [
    'sensor',
    sensorSchema,
    {
      ...identity,
      aliases: [],
      declared: false,
      createdAt: at,
      firstSeen: at,
      limits: [
        {
          metric: 'temperature',
          alertType: 'temperature_high',
          kind: 'threshold',
          measure: 'value',
          onCurve: true,
          side: 'high',
          severity: 'critical',
          bound: 8,
          boundUnit: '°C',
          hysteresis: 0.5,
          forS: 300,
          keepFiringForS: 0,
          latch: false,
          runbook: null,
          from: 'metrics.temperature',
        },
      ],
      alerts: [alert],
    },
  ],
  [
    'readings',
    readingsSchema,
    {
      sensor: 'coldroom-07',
      from: at,
      to: at,
      stepS: 60,
      source: 'raw',
      metrics: [{ metric: 'temperature', unit: '°C', time: [1], mean: [2], min: [2], max: [2] }],
    },
  ],
  ['alerts', alertListSchema, { items: [alert, { ...alert, alertId: null, state: 'pending' }], next: 'abc' }],
  [
    'alert',
    alertDetailSchema,
    {
      ...alert,
      transitions: [
        {
          ...{ at, event: 'firing', severity: 'warning', value: 9.4, message: 'x', by: null, comment: null },
          until: null,
        },
      ],
      deliveries: [
        {
          sink: 'ops',
          event: 'firing',
          queuedAt: at,
          doneAt: null,
          outcome: null,
          origin: 'mute',
          heldUntil: at,
          route: 'notify.routes[0]',
        },
      ],
      silences: [{ id: '1', endsAt: at, by: 'ann', comment: '' }],
      curve: { metric: 'temperature', from: at, to: at },
    },
  ],
  [
    'silences',
    silenceListSchema,
    {
      items: [
        {
          id: '1',
          state: 'active',
          matchers: { sensor: 'a*' },
          startsAt: at,
          endsAt: at,
          by: 'ann',
          comment: '',
          createdAt: at,
          expiredBy: null,
        },
      ],
      next: null,
    },
  ],
  [
    'policies',
    policiesSchema,
    {
      role: 'leader',
      checkedAt: at,
      error: null,
      repair: 'suggest',
      findings: [finding],
      policies: [
        {
          relation: 'sensor_readings',
          policy: 'retention',
          declared: 'drop after 90 days',
          verdict: 'ok',
          jobId: 1001,
          lastRun: null,
          lastRunOk: null,
          nextRun: at,
        },
      ],
    },
  ],
  [
    'storage',
    storageSchema,
    {
      sizeBytes: 1,
      relations: [
        {
          relation: 'sensor_readings',
          kind: 'hypertable',
          chunks: 2,
          compressed: 1,
          rows: 10,
          sizeBytes: 1,
          beforeBytes: null,
          afterBytes: null,
          compressAfterS: 604_800,
          dropAfterS: null,
        },
      ],
    },
  ],
  [
    'chunks',
    chunkListSchema,
    {
      items: [
        {
          relation: 'sensor_readings',
          chunk: '_hyper_1_1_chunk',
          from: at,
          to: at,
          state: 'row',
          sizeBytes: 8192,
        },
      ],
      next: null,
    },
  ],
  [
    'dead letters',
    deadLetterListSchema,
    {
      items: [
        {
          id,
          receivedAt: at,
          topic: 'a/b',
          reason: 'no_device',
          detail: null,
          sizeBytes: 3,
          keptBytes: 3,
          payload: { encoding: 'utf8', text: 'abc' },
          requeuedAt: null,
        },
      ],
      next: null,
    },
  ],
  [
    'decoded',
    decodedSchema,
    {
      route: 'sensors/{device}',
      reject: null,
      readings: [{ device: 'a', time: at, metrics: [{ metric: 'temperature', value: 1, unit: '°C' }] }],
      dropped: [],
      ambiguous: [],
      hint: null,
    },
  ],
  [
    'learning',
    learningSchema,
    {
      id,
      state: 'listening',
      startedAt: at,
      endsAt: at,
      remainingS: 12,
      messages: 3,
      topics: 1,
      routes: [],
      notPlaced: [],
      yaml: null,
      detail: null,
    },
  ],
  ['alert event', eventSchemas.alert, { event: 'firing', alert }],
  ['sensor event', eventSchemas.sensor, { key: 'a', state: null, lastSeen: at, latest: [latest] }],
  ['finding event', eventSchemas.finding, { event: 'raised', finding }],
  ['intake event', eventSchemas.intake, intake],
])('an example of %s is valid, and nothing of it is dropped', (_name, schema, example) => {
  expect(schema.parse(example)).toEqual(example);
});

test('queries have defaults, and take one value or several', () => {
  expect(sensorsQuery.parse({ state: 'silent', spark: 'true', limit: '5' })).toEqual({
    state: ['silent'],
    spark: true,
    limit: 5,
    sort: 'key',
  });
  expect(alertsQuery.parse({ severity: ['info', 'critical'] })).toMatchObject({
    state: 'open',
    from: '7d',
    severity: ['info', 'critical'],
    limit: 100,
  });
  expect(readingsQuery.parse({ metric: 'temperature', points: '1000' })).toEqual({
    metric: ['temperature'],
    from: '24h',
    points: 1000,
  });
});

test.each([
  ['limit', sensorsQuery, { limit: '0' }],
  ['limit', sensorsQuery, { limit: '1001' }],
  ['state', sensorsQuery, { state: 'broken' }],
  ['points', readingsQuery, { points: '5001' }],
  ['step', readingsQuery, { step: '0' }],
  ['forS', newSilenceSchema, { matchers: { sensor: 'a' }, forS: -1 }],
  ['seconds', learnRequestSchema, { seconds: 3601 }],
  ['encoding', decodeRequestSchema, { topic: 'a', payload: '', encoding: 'hex' }],
])('a wrong %s is refused', (path, schema, given) => {
  const { error } = schema.safeParse(given);
  expect(error?.issues.map((issue) => issue.path[0])).toEqual([path]);
});
