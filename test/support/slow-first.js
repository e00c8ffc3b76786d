import Sequencer from '@jest/test-sequencer';

/** Files that wait longest, for leases, silence or a demo: a clean machine has no recorded durations, and their files are short. */
const LONGEST = ['share-group', 'demo', 'page', 'soak', 'silence-storm', 'cold-start'].map(
  (name) => `/test/e2e/${name}.test.ts`,
);

const of = (tests, folder) => tests.filter(({ path }) => path.includes(`/test/${folder}/`));
const place = ({ path }) => LONGEST.findIndex((end) => path.endsWith(end)) + 1 || LONGEST.length + 1;

/**
 * Long tests start first, so that no processor waits for them at the end. The tests of whole daemons, which mostly wait, in turn with
 * those of databases, which compute: both processors are in use from the start. The many short ones come last.
 */
export default class SlowFirst extends Sequencer {
  sort(tests) {
    const sorted = [...super.sort(tests)];
    const waiting = of(sorted, 'e2e').sort((a, b) => place(a) - place(b));
    const computing = of(sorted, 'integration');
    const mixed = [];
    for (let at = 0; at < Math.max(waiting.length, computing.length); at++)
      mixed.push(...waiting.slice(at, at + 1), ...computing.slice(at, at + 1));
    return [...mixed, ...of(sorted, 'unit')];
  }
}
