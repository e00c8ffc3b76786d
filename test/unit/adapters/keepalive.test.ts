import { expect, test } from '@jest/globals';
import { Keepalive } from '../../../src/adapters/mqtt/keepalive.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function started({ periodS = 60, answers = true } = {}) {
  const clock = new FakeClock();
  const link = { pings: 0, received: 0, silent: 0, paused: false, answers };
  const keepalive = new Keepalive({
    clock,
    periodS,
    ping: () => {
      link.pings++;
      if (link.answers && !link.paused) link.received += 2;
    },
    received: () => link.received,
    isPaused: () => link.paused,
    onSilent: () => void link.silent++,
  });
  return { clock, link, keepalive };
}

test('an answered connection is pinged each half period, for ever', () => {
  const { clock, link } = started();
  clock.advance(600_000);
  expect(link).toMatchObject({ pings: 20, silent: 0 });
});

test('a dead link is found half a period after the first ping without answer, once', () => {
  const { clock, link } = started();
  clock.advance(90_000);
  link.answers = false;
  clock.advance(30_000);
  expect(link.silent).toBe(0);
  clock.advance(30_000);
  expect(link.silent).toBe(1);
  clock.advance(600_000);
  expect(link.silent).toBe(1);
  expect(clock.pending).toBe(0);
});

test('messages are a sign of life, also while the answer waits behind them', () => {
  const { clock, link } = started({ answers: false });
  for (let second = 0; second < 600; second++) {
    link.received += 100;
    clock.advance(1000);
  }
  expect(link).toMatchObject({ silent: 0, pings: 20 });
});

test('while reading is paused pings go on, and silence is not counted', () => {
  const { clock, link, keepalive } = started();
  link.paused = true;
  clock.advance(600_000);
  expect(link).toMatchObject({ pings: 20, silent: 0 });
  // The answers are read some time after the pause.
  link.paused = false;
  keepalive.resumed();
  clock.advance(29_000);
  link.received += 40;
  clock.advance(60_000);
  expect(link.silent).toBe(0);
});

test('a connection lost during a pause is detected after it', () => {
  const { clock, link, keepalive } = started({ answers: false });
  link.paused = true;
  clock.advance(100_000);
  link.paused = false;
  keepalive.resumed();
  clock.advance(59_000);
  expect(link.silent).toBe(0);
  clock.advance(1000);
  expect(link.silent).toBe(1);
});

test('a period of 0 sends no pings, and a stopped one leaves no timer', () => {
  const { clock, link } = started({ periodS: 0 });
  expect(clock.pending).toBe(0);
  expect(link.pings).toBe(0);
  const other = started();
  other.keepalive.stop();
  expect(other.clock.pending).toBe(0);
});
