const databases = {
  globalSetup: '<rootDir>/test/support/engine-host-setup.js',
  globalTeardown: '<rootDir>/test/support/engine-host-teardown.js',
};

/** Far above what a test takes alone: next to other programs the longest take a minute. */
const PATIENCE_MS = { unit: 60_000, integration: 180_000, e2e: 180_000 };

const project = (name) => ({
  displayName: name,
  rootDir: import.meta.dirname,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  // Tests run as programs do, in Node itself: see runtime.cjs.
  runtime: '<rootDir>/test/support/node/runtime.cjs',
  testEnvironment: '<rootDir>/test/support/node/environment.js',
  testEnvironmentOptions: { timeoutMs: PATIENCE_MS[name] },
  injectGlobals: false,
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  // Unit tests need no database.
  ...(name === 'unit' ? {} : databases),
  setupFilesAfterEnv: [
    '<rootDir>/test/support/codec-libraries.js',
    '<rootDir>/test/support/equal-metrics.js',
  ],
});

export default {
  // The database and broker tests share two cores with the servers they start, and wait most of the time.
  maxWorkers: 4,
  reporters: ['default', `${import.meta.dirname}/test/support/skipped-reporter.js`],
  testSequencer: `${import.meta.dirname}/test/support/slow-first.js`,
  projects: [project('unit'), project('integration'), project('e2e')],
};
