import { describe, expect, it } from '@jest/globals';
import { main } from '../../chaos/cli.ts';
import { faultsFor } from '../../chaos/fault/index.ts';
import { planFaults } from '../../chaos/schedule.ts';
import { describeWith } from '../support/tools.ts';

/** Its first 30 s kill daemon and database, restart daemon and broker, lose replies on both links and fill the spool's disk. */
const SEED = '192';
const SEEDS = Array.from({ length: 50 }, (_, index) => index + 1);

describe('the schedule of faults', () => {
  it('is the same for a seed, and another for another', () => {
    const plan = (seed: number) =>
      planFaults(faultsFor('embedded', undefined), { seconds: 120, seed }).map(
        ({ fault, atMs, holdMs }) => `${fault.kind} at ${atMs} for ${holdMs}`,
      );
    expect(plan(1)).toEqual(plan(1));
    expect(plan(1)).not.toEqual(plan(2));
  });

  it.each(['embedded', 'server'] as const)('has every kind twice in 120 s: %s', (backend) => {
    const faults = faultsFor(backend, undefined);
    for (const seed of SEEDS) {
      const plan = planFaults(faults, { seconds: 120, seed });
      const rare = faults.filter(
        (fault) => plan.filter((planned) => planned.fault.kind === fault.kind).length < 2,
      );
      expect({ seed, rare: rare.map(({ kind }) => kind) }).toEqual({ seed, rare: [] });
    }
  });
});

describeWith('mosquitto')('npm run chaos', () => {
  it('statement 9: finds nothing lost, nothing twice and every alert in its place after 30 s of faults', async () => {
    let report = '';
    const code = await main(['--seconds', '30', '--seed', SEED, '--rate', '200'], (text) => (report += text));
    // The report is the evidence: shown where the exit code is not 0.
    expect(`exit ${code}\n${code === 0 ? '' : report}`).toBe('exit 0\n');
  });
});
