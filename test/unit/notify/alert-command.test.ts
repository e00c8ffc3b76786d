import { describe, expect, test } from '@jest/globals';
import { MOST_COMMAND_BYTES, parseAlertCommand } from '../../../src/core/notify/alert-command.ts';

const ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';
const COMMAND = { id: 'r-1', action: 'ack', alert_id: ALERT, by: 'ann' };

const read = (
  given: unknown,
  facts: Partial<{ readonly retain: boolean; readonly isCorrelated: boolean }> = {},
) => {
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  const payload = new TextEncoder().encode(text);
  return parseAlertCommand({ payload, retain: false, isCorrelated: false, ...facts });
};

describe('a message of the command topic', () => {
  test('has an action, an alert, a name and an id', () => {
    expect(read(COMMAND)).toEqual({ action: 'ack', alertId: ALERT, by: 'ann', comment: '', id: 'r-1' });
    expect(
      read({
        ...COMMAND,
        action: 'silence',
        for: '30m',
        comment: 'door\nopen',
        alert_id: ALERT.toUpperCase(),
      }),
    ).toEqual({
      ...{ action: 'silence', alertId: ALERT, by: 'ann', comment: 'door open', id: 'r-1' },
      forMs: 1_800_000,
    });
    expect(read({ ...COMMAND, action: 'unsilence' })).toMatchObject({ action: 'unsilence' });
  });

  test('needs no id where it has correlation data', () => {
    const without = { ...COMMAND, id: undefined };
    expect(read(without)).toMatchObject({ reason: 'no_id' });
    expect(read(without, { isCorrelated: true })).toMatchObject({ action: 'ack', id: null });
  });

  test.each([
    ['no JSON', '{', /no JSON object/],
    ['a list', [COMMAND], /no JSON object/],
    ['null', null, /no JSON object/],
    ['no UTF-8', '\ud800', /no JSON object/],
    ['an unknown key', { ...COMMAND, sensor: 's1' }, /unknown key "sensor"/],
    ['an unknown action', { ...COMMAND, action: 'resolve' }, /^action: expected ack, silence, unsilence$/],
    ['no alert', { ...COMMAND, alert_id: 'freezer' }, /^alert_id/],
    ['no name', { ...COMMAND, by: ' \n ' }, /^by/],
    ['a number as a name', { ...COMMAND, by: 7 }, /^by/],
    ['a long name', { ...COMMAND, by: 'x'.repeat(61) }, /^by/],
    ['a long comment', { ...COMMAND, comment: 'x'.repeat(501) }, /^comment/],
    ['an empty id', { ...COMMAND, id: '' }, /^id/],
    ['a long id', { ...COMMAND, id: 'x'.repeat(129) }, /^id/],
    ['no duration', { ...COMMAND, for: 'long' }, /^for/],
    ['a number as a duration', { ...COMMAND, for: 60 }, /^for/],
    ['no time at all', { ...COMMAND, for: '0' }, /^for/],
    ['an endless duration', { ...COMMAND, for: '9999y' }, /^for/],
    ['a duration of what ends at once', { ...COMMAND, action: 'unsilence', for: '1h' }, /^for: unsilence/],
  ])('is refused: %s', (_, given, detail) => {
    expect(read(given)).toMatchObject({
      reason: 'invalid',
      detail: expect.stringMatching(detail) as unknown,
    });
  });

  test('a refusal carries the id, where there is one to be read', () => {
    expect(read({ ...COMMAND, action: 'x' })).toMatchObject({ id: 'r-1' });
    expect(read({ ...COMMAND, action: 'x', id: 5 })).toMatchObject({ id: null });
  });

  test('is refused unread where it is retained, or too large', () => {
    expect(read(COMMAND, { retain: true })).toMatchObject({ reason: 'retained', id: null });
    expect(read({ ...COMMAND, comment: 'x'.repeat(MOST_COMMAND_BYTES) })).toMatchObject({
      reason: 'too_large',
    });
  });
});
