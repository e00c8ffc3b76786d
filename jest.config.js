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
  transform: { '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }] },
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
