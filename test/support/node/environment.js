import { mocker, timers } from './mocks.js';

const TIMEOUT = Symbol.for('TEST_TIMEOUT_SYMBOL');

/** The environment of a test file: that of the worker itself. */
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
  }
}
