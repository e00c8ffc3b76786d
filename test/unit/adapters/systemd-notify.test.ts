import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type Run, createNotifier } from '../../../src/adapters/systemd/notify.ts';
import { startSupervision } from '../../../src/adapters/systemd/supervision.ts';

const quiet = { warn: () => {}, error: () => {} };

/** Records calls; fails while `broken`. */
function recorder() {
  const calls: { file: string; args: readonly string[]; env: Record<string, string> }[] = [];
  const state = { broken: false };
  const run: Run = async (file, args, { env }) => {
    calls.push({ file, args, env });
    if (state.broken) throw new Error('spawn systemd-notify ENOENT');
  };
  return { calls, run, state };
}

describe('the notifier', () => {
  test('does nothing without a socket', async () => {
    const { calls, run } = recorder();
    await createNotifier(undefined, quiet, run).notify('READY=1');
    await createNotifier('', quiet, run).notify('READY=1');
    expect(calls).toEqual([]);
  });

  test('hands assignments to systemd-notify, with the socket and nothing else of the environment', async () => {
    const { calls, run } = recorder();
    await createNotifier('/run/systemd/notify', quiet, run).notify('READY=1', 'STATUS=a\nWATCHDOG=trigger');
    expect(calls).toEqual([
      {
        file: 'systemd-notify',
        args: ['READY=1', 'STATUS=a WATCHDOG=trigger'],
        env: { NOTIFY_SOCKET: '/run/systemd/notify', PATH: expect.any(String) },
      },
    ]);
  });

  test('complains once, and again after it had worked', async () => {
    const { run, state } = recorder();
    const warn = jest.fn();
    const notifier = createNotifier('/x', { warn }, run);
    state.broken = true;
    await notifier.notify('WATCHDOG=1');
    await notifier.notify('WATCHDOG=1');
    expect(warn).toHaveBeenCalledTimes(1);
    state.broken = false;
    await notifier.notify('WATCHDOG=1');
    state.broken = true;
    await notifier.notify('WATCHDOG=1');
    expect(warn).toHaveBeenCalledTimes(2);
  });

  test('a missing program is a warning, not an error', async () => {
    const warn = jest.fn();
    const missing: Run = () => Promise.reject(Object.assign(new Error('spawn ENOENT'), { code: 'ENOENT' }));
    await expect(createNotifier('/x', { warn }, missing).notify('READY=1')).resolves.toBeUndefined();
    expect(warn).toHaveBeenCalledTimes(1);
  });
});

describe('supervision', () => {
  afterEach(() => void jest.useRealTimers());

  const supervised = (watchdogMs: number | undefined, alive = () => true) => {
    const sent: string[][] = [];
    const notifier = {
      notify: async (...assignments: readonly string[]) => void sent.push([...assignments]),
    };
    const error = jest.fn();
    const supervision = startSupervision(
      { notifySocket: '/x', watchdogMs },
      { logger: { ...quiet, error }, alive, notifier },
    );
    return { sent, supervision, error };
  };

  test('says what the daemon is doing', async () => {
    const { sent, supervision } = supervised(undefined);
    const before = process.hrtime.bigint() / 1000n;
    await supervision.ready();
    await supervision.reloading();
    await supervision.status('50 sensors');
    await supervision.stopping();
    expect(sent.map(([first]) => first)).toEqual([
      'READY=1',
      'RELOADING=1',
      'STATUS=50 sensors',
      'STOPPING=1',
    ]);
    const usec = BigInt(/^MONOTONIC_USEC=(\d+)$/.exec(sent[1]?.[1] ?? '')?.[1] ?? -1);
    expect(usec >= before && usec <= process.hrtime.bigint() / 1000n).toBe(true);
  });

  test('feeds the watchdog three times within its limit while alive, and not when stuck', () => {
    jest.useFakeTimers();
    let alive = true;
    const { sent, supervision, error } = supervised(30_000, () => alive);
    jest.advanceTimersByTime(30_000);
    expect(sent).toEqual([['WATCHDOG=1'], ['WATCHDOG=1'], ['WATCHDOG=1']]);
    alive = false;
    jest.advanceTimersByTime(30_000);
    expect(sent).toHaveLength(3);
    expect(error).toHaveBeenCalledTimes(1);
    alive = true;
    jest.advanceTimersByTime(10_000);
    expect(sent).toHaveLength(4);
    supervision.close();
    jest.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(4);
  });

  test('has no timer without a watchdog', () => {
    jest.useFakeTimers();
    supervised(undefined);
    expect(jest.getTimerCount()).toBe(0);
  });
});
