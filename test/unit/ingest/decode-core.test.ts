import { describe, expect, test } from '@jest/globals';
import {
  ReplayLineError,
  decodeReplay,
  parseReceivedAt,
  parseReplayLine,
} from '../../../src/cli/decode/decode.ts';
import { routerOf } from '../../support/routes.ts';

async function replay(...lines: string[]): Promise<string[]> {
  const router = routerOf([{ topic: 's/{device}', codec: 'json' }]);
  const written: string[] = [];
  async function* source() {
    yield* lines;
  }
  await decodeReplay(
    router,
    source(),
    (line) => void written.push(line),
    () => Date.parse('2026-01-15T12:00:00Z'),
  );
  return written;
}

describe('replay', () => {
  test('one line out per message; microseconds only where there are any', async () => {
    expect(
      await replay(
        '{"topic":"s/a","payload":"{\\"temperature\\":1}"}',
        '',
        '{"topic":"s/a","payload_hex":"7b7d","received_at":"2026-01-15T12:00:00.5Z"}',
        '{"topic":"x","payload":"1"}',
        '{"topic":"s/a","payload":"{\\"toString\\":1,\\"ts\\":1768478400.000001}","retain":true}',
      ),
    ).toEqual([
      '{"readings":[{"device":"a","time":"2026-01-15T12:00:00.000Z","metrics":{"temperature":1}}]}',
      '{"reject":"no_metrics"}',
      '{"reject":"no_match"}',
      '{"readings":[{"device":"a","time":"2026-01-15T12:00:00.000001Z","metrics":{"toString":1}}]}',
    ]);
  });

  test.each([
    ['not json', /line 1: not JSON/],
    ['5', /not a JSON object/],
    ['{"payload":"1"}', /topic is missing/],
    ['{"topic":"a"}', /needs payload/],
    ['{"topic":"a","payload_hex":"abc"}', /needs payload/],
    ['{"topic":"a","payload":"1","received_at":"noon"}', /received_at/],
  ])('%s', async (line, message) => {
    await expect(replay(line)).rejects.toThrow(message);
    await expect(replay(line)).rejects.toBeInstanceOf(ReplayLineError);
  });

  test('payload_gen', () => {
    const gen = { prefix: '[', unit: 'ab', join: ',', count: 3, mirror: ']', suffix: '.' };
    const { payload } = parseReplayLine(JSON.stringify({ topic: 'a', payload_gen: gen }), 1, () => 0);
    expect(new TextDecoder().decode(payload)).toBe('[ab,ab,ab]]].');
  });

  test('times', () => {
    expect(parseReceivedAt('2026-01-15T12:00:00.123Z')).toBe(Date.parse('2026-01-15T12:00:00.123Z'));
    expect(parseReceivedAt(5.9)).toBe(5);
    expect(parseReceivedAt('x')).toBeUndefined();
  });
});
