import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { BenchBroker } from '../../../bench/broker.ts';
import { benthos } from '../../../bench/peer/benthos.ts';
import { findPeer } from '../../../bench/peer/program.ts';
import { telegraf } from '../../../bench/peer/telegraf.ts';
import { PEERS, type PeerRun, peerFigures } from '../../../bench/peers.ts';
import { verdictOf } from '../../../bench/report.ts';

const folder = mkdtempSync(join(tmpdir(), 'fieldwatch-peers-'));
afterAll(() => rmSync(folder, { recursive: true }));

const broker: BenchBroker = {
  url: 'mqtt://127.0.0.1:1883',
  username: 'sta"tion',
  password: 'hunter\\2',
  topicRoot: 'bench-1/',
  version: 'given',
};
const place = { databaseUrl: 'postgres://u:p%40ss@h/db', broker, clientId: 'c1', folder };

describe('a peer', () => {
  test('is found by any of its names, the first on PATH, with its version', async () => {
    const path = `/nowhere${delimiter}${folder}`;
    expect(await findPeer(benthos, path)).toBeUndefined();
    writeFileSync(join(folder, 'bento'), 'not a program');
    expect(await findPeer(benthos, path)).toBeUndefined();
    writeFileSync(join(folder, 'bento'), '#!/bin/sh\necho "Version: 1.2.3"\n');
    chmodSync(join(folder, 'bento'), 0o755);
    expect(await findPeer(benthos, path)).toMatchObject({
      executable: join(folder, 'bento'),
      label: 'bento 1.2.3',
    });
  });

  test.each(PEERS.map((peer) => [peer.name, peer] as const))(
    '%s gets the broker, the session and the database',
    (_, peer) => {
      const { files, args } = peer.setup(place);
      const [[name, text]] = Object.entries(files) as [[string, string]];
      expect(args).toContain(join(folder, name));
      for (const part of ['bench-1/sensors/+/+/readings', 'tcp://127.0.0.1:1883', 'c1'])
        expect(text).toContain(JSON.stringify(part));
      expect(text).toContain(`"${place.databaseUrl}`);
      for (const secret of [broker.username, broker.password]) expect(text).toContain(JSON.stringify(secret));
    },
  );

  test('without a password gets none', () => {
    const open = { ...place, broker: { ...broker, username: undefined, password: undefined } };
    for (const peer of PEERS) expect(JSON.stringify(peer.setup(open).files)).not.toMatch(/user|password/);
  });
});

test('the ratio says how many times better fieldwatch is, of the medians', () => {
  const run = (perSecond: number, cpuPer100k: number, peakMegabytes: number, seconds: number): PeerRun => ({
    live: { perSecond, cpuPer100k, peakMegabytes },
    backlog: { seconds, peakMegabytes },
  });
  const found = { peer: telegraf, executable: '/usr/bin/telegraf', label: 'Telegraf 1.39.3' };
  const ours = [run(9, 9, 9, 9), run(60_000, 1, 100, 4), run(90_000, 0.5, 120, 3)];
  const figures = peerFigures(200_000, found, ours, [run(30_000, 2, 50, 8)]);
  expect(figures.map((figure) => [figure.ratio, figure.reference?.what, verdictOf(figure)])).toEqual([
    [2, 'Telegraf 1.39.3', undefined],
    [2, 'Telegraf 1.39.3', 'miss'],
    [0.5, 'Telegraf 1.39.3', undefined],
    [2, 'Telegraf 1.39.3', undefined],
    [0.5, 'Telegraf 1.39.3', undefined],
  ]); // prettier-ignore
  expect(figures[0]?.note).toMatch(/^fieldwatch: defaults.*Telegraf 1\.39\.3: persistent session/);
});
