import Sequencer from '@jest/test-sequencer';

const ORDER = ['/test/e2e/', '/test/integration/', '/test/unit/'];
const rank = ({ path }) => ORDER.findIndex((folder) => path.includes(folder));

/** What takes minutes begins first, so that no processor waits for it at the end; a clean machine knows no durations. */
export default class SlowFirst extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
