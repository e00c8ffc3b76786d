// How Jest runs a test file here: as Node runs a program, in the realm of the worker. Jest's own runtime gives each file a context of
// node:vm, in which every module is loaded, compiled and warmed up again, and needs an experimental flag of Node for modules.
// The files of a worker share the modules that they import: what a test changes for its process it has to put back.
const nodeModule = require('node:module');
const { pathToFileURL } = require('node:url');

if (nodeModule.registerHooks === undefined) nodeModule.register('./hooks.js', pathToFileURL(__filename));
else nodeModule.registerHooks(require('./hooks.js'));

/** Where jest-circus keeps its listeners. */
const EVENT_HANDLERS = Symbol.for('EVENT_HANDLERS');

/** What jest-runner and jest-circus call of jest-runtime. */
module.exports = class NodeRuntime {
  /** The module of jest-circus whose state is that of one test file. */
  requireInternalModule(path) {
    delete require.cache[path];
    delete globalThis[EVENT_HANDLERS];
    return require(path);
  }

  setGlobalsForRuntime(globals) {
    globalThis[Symbol.for('fieldwatch.test.globals')] = globals;
  }

  unstable_shouldLoadAsEsm() {
    return true;
  }

  unstable_importModule(path) {
    return import(pathToFileURL(path));
  }

  requireModule(path) {
    return require(path);
  }

  /** None: lines and columns are those of the source. */
  getSourceMaps() {
    return new Map();
  }

  /** None: Node measures coverage itself (NODE_V8_COVERAGE). */
  getAllCoverageInfoCopy() {
    return undefined;
  }

  enterTestCode() {}

  leaveTestCode() {}

  teardown() {}
};
