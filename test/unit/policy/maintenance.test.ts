import { describe, expect, it } from '@jest/globals';
import { MaintenanceTasks } from '../../../src/services/policy/maintenance.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { settle } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

function setup(run: () => Promise<void>) {
  const clock = new FakeClock();
  const logger = new QuietLogger();
  const maintenance = new MaintenanceTasks([{ name: 'sweep', everyMs: 1000, run }], { clock, logger });
  maintenance.start();
  return { clock, logger, maintenance };
}

describe('MaintenanceTasks', () => {
  it('runs a task again and again, each time after the end of the last', async () => {
    let runs = 0;
    let finish = () => {};
    const { clock } = setup(() => {
      runs += 1;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    clock.advance(1000);
    expect(runs).toBe(1);
    clock.advance(5000);
    expect(runs).toBe(1);
    finish();
    await settle();
    clock.advance(1000);
    expect(runs).toBe(2);
  });

  it('goes on after a failure and logs it once until it works again', async () => {
    let fails = true;
    const { clock, logger } = setup(async () => {
      if (fails) throw new Error('no broom');
    });
    const tick = async () => {
      clock.advance(1000);
      await settle();
    };
    await tick();
    await tick();
    expect(logger.entries.map(({ fields }) => fields['error'])).toEqual(['no broom']);
    fails = false;
    await tick();
    fails = true;
    await tick();
    expect(logger.entries).toHaveLength(2);
  });

  it('stops: no new run, and the one under way is waited for', async () => {
    let finish = () => {};
    const { clock, maintenance } = setup(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    clock.advance(1000);
    let stopped = false;
    const stopping = maintenance.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    finish();
    await stopping;
    expect(clock.pending).toBe(0);
  });
});
