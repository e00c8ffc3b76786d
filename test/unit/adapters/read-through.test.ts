import { describe, expect, test } from '@jest/globals';
import { ReadThrough, SeenWindow } from '../../../src/adapters/mqtt/read-through.ts';
import fc from '../../support/fast-check.ts';

/**
 * A broker with a queue for one session and a window of messages in flight, and the member that reads it. Everything on
 * the wire keeps its order; each `deliver` hands over the next thing.
 */
class Session {
  readonly reading: ReadThrough;
  queued = 0;
  private inFlight = 0;
  private unacknowledged = 0;
  private readonly down: ('message' | 'answer')[] = [];
  private readonly up: (number | 'ping')[] = [];
  private readonly window: number;
  private readonly oversends: boolean;

  constructor(window: number, seen: SeenWindow, oversends = false) {
    this.window = window;
    this.oversends = oversends;
    this.reading = new ReadThrough(seen);
  }

  publish(messages: number): void {
    this.queued += messages;
    this.send(this.window - this.inFlight);
  }

  ping(nowMs: number): void {
    this.reading.pinged(nowMs, this.unacknowledged);
    this.up.push('ping');
  }

  /** The member receives the next packet. */
  deliver(): void {
    const packet = this.down.shift();
    if (packet === 'answer') this.reading.answered();
    if (packet === 'message') this.reading.received(++this.unacknowledged);
  }

  get held(): number {
    return this.unacknowledged;
  }

  acknowledge(messages: number): void {
    const some = Math.min(messages, this.unacknowledged);
    if (some === 0) return;
    this.unacknowledged -= some;
    this.up.push(some);
    this.reading.acknowledged(some);
  }

  /** The broker handles the next packet of the member. */
  handle(): void {
    const packet = this.up.shift();
    if (packet === 'ping') this.down.push('answer');
    else if (packet !== undefined) {
      this.inFlight -= packet;
      this.send(this.oversends ? this.window : this.window - this.inFlight);
    }
  }

  /** All that is on the wire arrives, and is acknowledged. */
  settle(nowMs: number): void {
    for (let n = 0; n < 3; n++) {
      this.ping(nowMs);
      while (this.up.length + this.down.length > 0) {
        this.handle();
        this.deliver();
        if (this.down.length === 0) this.acknowledge(this.window);
      }
    }
  }

  private send(most: number): void {
    for (let n = 0; n < most && this.queued > 0; n++) {
      this.queued--;
      this.inFlight++;
      this.down.push('message');
    }
  }
}

const ACTIONS = ['publish', 'ping', 'deliver', 'handle', 'acknowledge'] as const;

describe('how far the session of a member is read', () => {
  test('is known once a ping comes back with room in the window, twice after a connect', () => {
    const reading = new ReadThrough(new SeenWindow());
    reading.pinged(1, 0);
    expect([reading.upToMs, reading.isWaiting]).toEqual([-Infinity, true]);
    reading.answered();
    expect([reading.upToMs, reading.isWaiting]).toEqual([-Infinity, false]);
    reading.pinged(2, 0);
    reading.answered();
    expect(reading.upToMs).toBe(2);
  });

  test('is not known while the broker may have more, and not before what was read is acknowledged', () => {
    const session = new Session(10, new SeenWindow());
    session.settle(1);
    session.publish(35);
    session.ping(2);
    session.handle();
    for (let n = 0; n < 11; n++) session.deliver();
    expect(session.reading.upToMs).toBe(1);
    session.settle(3);
    expect([session.queued, session.reading.upToMs]).toEqual([0, 3]);
    session.publish(3);
    session.ping(4);
    session.handle();
    for (let n = 0; n < 4; n++) session.deliver();
    expect(session.reading.upToMs).toBe(3);
    session.acknowledge(2);
    expect(session.reading.upToMs).toBe(3);
    session.acknowledge(1);
    expect(session.reading.upToMs).toBe(4);
  });

  test('never claims what is still queued, in whatever order things happen', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom(...ACTIONS), fc.integer({ min: 1, max: 8 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 6 }), fc.boolean(), (all, window, oversends) => {
        const session = new Session(window, new SeenWindow(window), oversends);
        /** By time: how many of the messages published until then are acknowledged by the member. */
        let nowMs = 0;
        let published = 0;
        let acknowledged = 0;
        const before: number[] = [];
        for (const [action, count] of all) {
          before[++nowMs] = published;
          if (action === 'publish') {
            session.publish(count);
            published += count;
          } else if (action === 'ping') session.ping(nowMs);
          else if (action === 'deliver') for (let n = 0; n < count; n++) session.deliver();
          else if (action === 'handle') session.handle();
          else {
            const held = session.held;
            session.acknowledge(count);
            acknowledged += held - session.held;
          }
          const { upToMs } = session.reading;
          if (upToMs > 0) expect(acknowledged).toBeGreaterThanOrEqual(before[upToMs] ?? 0);
        }
        session.settle(++nowMs);
        expect([session.queued, session.reading.upToMs]).toEqual([0, nowMs]);
      }),
    );
  });
});
