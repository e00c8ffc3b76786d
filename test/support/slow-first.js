import Sequencer from '@jest/test-sequencer';

const ORDER = ['/test/e2e/', '/test/integration/', '/test/unit/'];
const rank = ({ path }) => ORDER.findIndex((folder) => path.includes(folder));

/** Long tests start first, so that no processor waits for them at the end; a clean machine has no recorded durations. */
export default class SlowFirst extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
