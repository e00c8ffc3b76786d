const databases = {
  globalSetup: '<rootDir>/test/support/engine-host-setup.js',
  globalTeardown: '<rootDir>/test/support/engine-host-teardown.js',
};

const project = (name) => ({
  displayName: name,
  rootDir: import.meta.dirname,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  testEnvironment: '<rootDir>/test/support/environment.js',
  extensionsToTreatAsEsm: ['.ts'],
  // The examples import the package by its name.
  moduleNameMapper: {
    '^fieldwatch$': '<rootDir>/src/index.ts',
    '^fieldwatch/frame$': '<rootDir>/src/frame.ts',
    '^fieldwatch/(drizzle|kysely)$': '<rootDir>/src/orm/$1.ts',
  },
  // Of the packages, those that compute: transform.js says why.
  transform: { '\\.ts$|/node_modules/.*\\.js$': '<rootDir>/test/support/transform.js' },
  transformIgnorePatterns: ['/node_modules/(?!(zod|re2js)/)'],
  // The same for packages that are CommonJS, and for Jest's own assertions.
  sandboxInjectedGlobals: ['Array', 'Math', 'Object'],
  setupFiles: ['<rootDir>/test/support/codec-libraries.js'],
  // Unit tests need no database.
  ...(name === 'unit' ? {} : databases),
  // A test that hangs is a failure, not a wait: each project states its own patience.
  setupFilesAfterEnv: [
    `<rootDir>/test/support/timeout-${name}.js`,
    '<rootDir>/test/support/equal-metrics.js',
  ],
});

export default {
  // The database and broker tests share two cores with the servers they start, and wait most of the time.
  maxWorkers: 6,
  reporters: ['default', `${import.meta.dirname}/test/support/skipped-reporter.js`],
  testSequencer: `${import.meta.dirname}/test/support/slow-first.js`,
  projects: [project('unit'), project('integration'), project('e2e')],
};
