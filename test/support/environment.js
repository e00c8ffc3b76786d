import { AsyncLocalStorage } from 'node:async_hooks';
import vm from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

// A global of an ordinary context is found through node:vm, at ten times the cost.
const { createContext } = vm;
vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);

const { run } = AsyncLocalStorage.prototype;
const enabled = new Set();
AsyncLocalStorage.prototype.run = function (...given) {
  enabled.add(this);
  return run.apply(this, given);
};

/**
 * Jest's own, but for what it leaves behind: it follows the promises of each file with a storage of its own, which Node 20 then
 * carries through every promise of the files that come after it in the same process. The fiftieth would take four times as long.
 */
export default class Environment extends TestEnvironment {
  async teardown() {
    await super.teardown();
    for (const storage of enabled) storage.disable();
    enabled.clear();
  }
}
