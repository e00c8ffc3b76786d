import { expect, it } from '@jest/globals';
import { main } from '../../chaos/cli.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('npm run chaos', () => {
  it('finds nothing lost, nothing twice and every alert in its place after 30 s of faults', async () => {
    let report = '';
    const code = await main(['--seconds', '30', '--seed', '1', '--rate', '200'], (text) => (report += text));
    // The report is the evidence: shown where the exit code is not 0.
    expect(`exit ${code}\n${code === 0 ? '' : report}`).toBe('exit 0\n');
  });
});
