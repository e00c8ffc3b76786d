// What a test imports from @jest/globals. Modules are shared by the test files of a worker, while the functions of Jest are new
// for each file: these pass on to those of the file that is running.
import { mocker, timers } from './mocks.js';

const current = () => globalThis[Symbol.for('fieldwatch.test.globals')];

/** `test`, and all that is on it: `test.each`, `test.skip.each` … */
const passedOn = (find) =>
  new Proxy(() => {}, {
    apply: (_, self, given) => Reflect.apply(find(), undefined, given),
    get: (_, name) => passedOn(() => find()[name]),
  });

export const describe = passedOn(() => current().describe);
export const test = passedOn(() => current().test);
export const it = test;
export const beforeAll = passedOn(() => current().beforeAll);
export const beforeEach = passedOn(() => current().beforeEach);
export const afterEach = passedOn(() => current().afterEach);
export const afterAll = passedOn(() => current().afterAll);
/** The same for all files of a worker: its equality testers and its state are. */
export const { expect } = current();

export const jest = {
  fn: mocker.fn.bind(mocker),
  spyOn: mocker.spyOn.bind(mocker),
  restoreAllMocks: () => mocker.restoreAllMocks(),
  useFakeTimers: (options) => timers.useFakeTimers(options),
  useRealTimers: () => timers.useRealTimers(),
  advanceTimersByTime: (ms) => timers.advanceTimersByTime(ms),
  setSystemTime: (now) => timers.setSystemTime(now),
  getTimerCount: () => timers.getTimerCount(),
  setTimeout: (ms) => void (globalThis[Symbol.for('TEST_TIMEOUT_SYMBOL')] = ms),
};
