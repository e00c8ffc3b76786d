import { expect, test } from '@jest/globals';
import { createPaint } from '../../../src/cli/output/terminal.ts';
import { terminalAlertLine } from '../../../src/cli/alerts/terminal-line.ts';

const line = terminalAlertLine(createPaint(false));
const ID = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';
const local = new Date(2026, 0, 1, 12, 0, 5);
const fields = {
  level: 'warn',
  time: local.toISOString(),
  event: 'firing',
  alert_id: ID,
  severity: 'warning',
  location: 'cellar',
  msg: 'Freezer 1: temperature 9.3 °C, above 8 °C',
};

test.each([
  [{}, '● FIRING      Freezer 1: temperature 9.3 °C, above 8 °C  (cellar, warning, 7b0e3c52)'],
  [{ event: 'escalated', severity: 'critical', msg: 'worse' }, '▲ ESCALATED   worse  (cellar, critical, 7b0e3c52)'],
  [{ event: 'resolved', duration_s: 192, msg: 'over' }, '✓ RESOLVED    over  (cellar, after 3m12s, 7b0e3c52)'],
  [{ event: 'acknowledged', msg: 'acknowledged by ann' }, '✓ ACKED       acknowledged by ann  (cellar, 7b0e3c52)'],
  [{ suppressed: 'silence', location: undefined }, '● FIRING      Freezer 1: temperature 9.3 °C, above 8 °C  (warning, silenced, 7b0e3c52)'],
  [{ persisted: false, msg: 'm' }, '● FIRING      m  (cellar, warning, not stored yet, 7b0e3c52)'],
  [{ event: 'silence_added', severity: 'info', msg: 'silence 3 by ann' }, '· SILENCE     silence 3 by ann  (cellar, info)'],
])('%j is one line', (change, expected) => {
  expect(line({ ...fields, ...change })).toBe(`[12:00:05] ${expected}\n`);
}); // prettier-ignore

test('many silent sensors are one line', () => {
  const group = { event: 'no_data_group', transition: 'firing', msg: 'many sensors are silent', alerts: 43, sensors: 9 };
  expect(line({ ...fields, ...group, first: ['a', 'b'], total: 50 })).toBe(
    '[12:00:05] ● FIRING      many sensors are silent: 43 alerts of 9 sensors (a, b, …), 50 in all\n',
  );
}); // prettier-ignore

test('names of the network can neither move the cursor nor add a line', () => {
  const text = line({ ...fields, msg: 'a\u001b[2J\nb', location: '\u202ex' }) ?? '';
  expect(text.trimEnd()).not.toMatch(/[\u001b\n\u202e]/);
});

test.each([
  { msg: 'stored', level: 'info' },
  { ...fields, alert_id: undefined },
  { ...fields, event: 'toString' },
  { ...fields, event: 'collector_disconnected' },
])('any other line is left to the logger: %j', (other) => {
  expect(line(other)).toBeUndefined();
});
