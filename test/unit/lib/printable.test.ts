import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { guarded } from '../../../src/cli/output/terminal.ts';
import { printableJson } from '../../../src/core/printable.ts';

const HOSTILE = 'a\u001b[2J\u009b31m\u202eb\u2028\u007f\u{e0041}';

test('JSON keeps its content and shows no control character', () => {
  const json = printableJson(JSON.stringify({ [HOSTILE]: HOSTILE }));
  expect(JSON.parse(json)).toEqual({ [HOSTILE]: HOSTILE });
  expect(json).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
});

describe('what a command writes', () => {
  const through = (chunk: string | Uint8Array) => {
    const target = new PassThrough();
    guarded(target).write(chunk);
    return (target.read() as Buffer).toString();
  };

  test.each([
    ['a\n\tb \u001b[31mred\u001b[39m', 'a\n\tb \u001b[31mred\u001b[39m'],
    ['\r\u001b[2Kprogress', '\r\u001b[2Kprogress'],
    ['\r12 messages ', '\r12 messages '],
    ['over\rwritten', 'over\\u000dwritten'],
    ['\u001b]0;title\u0007', '\\u001b]0;title\\u0007'],
    ['\u001b[31;1Hx', '\\u001b[31;1Hx'],
    ['at f (\u009b2J)', 'at f (\\u009b2J)'],
    ['\u202edrawkcab\u2066', '\\u202edrawkcab\\u2066'],
  ])('%j is shown as %j', (given, shown) => {
    expect(through(given)).toBe(shown);
  });

  test('bytes are data', () => {
    expect(through(Buffer.from(HOSTILE))).toBe(HOSTILE);
  });

  test('is a stream with all else that the target has', () => {
    const target = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
    const stream = guarded(target);
    let drained = 0;
    stream.once('drain', () => drained++);
    target.emit('drain');
    expect([stream.isTTY, stream.columns, drained]).toEqual([true, 80, 1]);
  });
});
