import { AsyncLocalStorage } from 'node:async_hooks';
import { mocker, timers } from './mocks.js';

const TIMEOUT = Symbol.for('TEST_TIMEOUT_SYMBOL');

const { run } = AsyncLocalStorage.prototype;
const enabled = new Set();
AsyncLocalStorage.prototype.run = function (...given) {
  enabled.add(this);
  return run.apply(this, given);
};

/**
 * The environment of a test file: that of the worker itself. It ends what Jest leaves behind: jest-circus follows the promises of
 * each file with a storage of its own, which Node 20 then carries through every promise of the files that come after it.
 */
export default class NodeEnvironment {
  global = globalThis;
  #exit = process.exit;
  #console = console;

  constructor({ projectConfig }) {
    globalThis[TIMEOUT] = projectConfig.testEnvironmentOptions.timeoutMs;
  }

  getVmContext() {
    return null;
  }

  async setup() {}

  /** Puts back what Jest has replaced for this file, and what the file has replaced with Jest. */
  async teardown() {
    mocker.restoreAllMocks();
    timers.useRealTimers();
    process.exit = this.#exit;
    globalThis.console = this.#console;
    for (const storage of enabled) storage.disable();
    enabled.clear();
  }
}
