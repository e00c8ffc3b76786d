import tseslint from 'typescript-eslint';

const pattern = (regex, message) => ({ regex, message });

// The arrows of the house: who may import whom. `core` is pure and imports only itself (and pure
// libraries); services talk to ports; adapters never see services; only app.ts and cli/ see both.
const relative = (rooms) => `^\\.\\.?/(?:.*/)?(?:${rooms.join('|')})/`;
const node = pattern('^node:', 'core is pure: no node:* (give it the value, or put the code in an adapter)');
const rooms = {
  core: [
    node,
    pattern(
      relative(['services', 'adapters', 'embedded', 'queries', 'cli', 'config']),
      'core imports only core',
    ),
  ],
  ports: [
    node,
    pattern(
      relative(['services', 'adapters', 'embedded', 'queries', 'cli', 'config']),
      'ports import core only',
    ),
  ],
  services: [
    pattern(
      relative(['adapters', 'embedded', 'queries', 'cli', 'config']),
      'services import core and ports only',
    ),
  ],
  adapters: [
    pattern(
      relative(['services', 'embedded', 'queries', 'cli', 'config']),
      'adapters import core, ports and libraries only',
    ),
  ],
  queries: [
    pattern(
      relative(['services', 'embedded', 'cli', 'config']),
      'queries are the read side: core, ports and adapters only',
    ),
  ],
  simulator: [
    pattern(
      relative(['services', 'adapters', 'embedded', 'queries', 'cli', 'config']),
      'the simulator stands outside, as a sensor does: core, ports and libraries only',
    ),
  ],
  embedded: [pattern(relative(['services', 'queries', 'cli', 'config']), 'embedded servers stand alone')],
  config: [
    pattern(relative(['services', 'adapters', 'embedded', 'queries', 'cli']), 'config imports core only'),
  ],
};
const libraries = [
  'pg',
  'pg-copy-streams',
  'mqtt',
  'pino',
  'node-cron',
  'aedes',
  'prom-client',
  'yaml',
  'commander',
  'classic-level',
];
const noLibraries = libraries.map((name) => ({ name, message: 'libraries live behind adapters' }));

export default tseslint.config(
  {
    ignores: [
      'dist/**',
      'dist-bench/**',
      'dist-chaos/**',
      'dist-fuzz/**',
      'node_modules/**',
      'data/**',
      'coverage/**',
    ],
  },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.config.js', 'test/support/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  ...Object.entries(rooms).map(([room, patterns]) => ({
    files: [`src/${room}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns, ...(['core', 'ports', 'services'].includes(room) ? { paths: noLibraries } : {}) },
      ],
    },
  })),
  {
    files: ['src/core/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        'process',
        'setTimeout',
        'setInterval',
        'setImmediate',
        'queueMicrotask',
        'performance',
        'Buffer',
        'fetch',
        'crypto',
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'core takes `now`' },
        { object: 'Math', property: 'random', message: 'core takes a random source' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'core takes `now`' },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/main.ts', 'src/config/**', 'src/core/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'only main.ts exits' },
        { object: 'process', property: 'env', message: 'only config/ reads the environment' },
      ],
    },
  },
  { files: ['src/cli/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
