import { readFileSync } from 'node:fs';
import tseslint from 'typescript-eslint';

const pattern = (regex, message) => ({ regex, message });

// Which folders of src/ each folder may import, besides itself; the test in the same folder checks all imports against it. `core` is
// pure and imports only itself (and pure libraries); services use ports; adapters do not import services; app and cli import both.
const LAYERS = JSON.parse(
  readFileSync(new URL('test/unit/architecture/layers.json', import.meta.url), 'utf8'),
).folders;
const EVERY_LAYER = Object.keys(LAYERS);
/** A relative import that leads into one of these layers, as a folder or as the file of that name. */
const relative = (layers) => `^(?:\\.\\./)+(?:${layers.join('|')})(?:/|\\.ts$)`;
const node = pattern('^node:', 'core is pure: no node:* (give it the value, or put the code in an adapter)');
const rooms = Object.fromEntries(
  Object.entries(LAYERS).map(([layer, allowed]) => {
    const refused = EVERY_LAYER.filter((other) => other !== layer && !allowed.includes(other));
    const message = `${layer} imports only ${[...allowed, layer].join(', ')}`;
    return [
      layer,
      [...(['core', 'ports'].includes(layer) ? [node] : []), pattern(relative(refused), message)],
    ];
  }),
);
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
        {
          patterns,
          ...(['core', 'lib', 'ports', 'services', 'learn'].includes(room) ? { paths: noLibraries } : {}),
        },
      ],
    },
  })),
  {
    // The page runs in a browser: of this project it has the types of the contract, and of Node nothing.
    files: ['src/web/**/*.{ts,tsx}'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            node,
            pattern(
              `${relative(EVERY_LAYER.filter((layer) => !['api', 'web'].includes(layer)))}|/api/(?!contract/)`,
              'web imports types of src/api/contract only',
            ),
            {
              regex: '/api/contract/',
              allowTypeImports: true,
              message: 'web imports types of the contract only: `import type`',
            },
          ],
        },
      ],
    },
  },
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
  {
    // Text of devices is text, and the content security policy allows no style but that of the sheets.
    files: ['src/web/**/*.{ts,tsx}'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'dangerouslySetInnerHTML'].map((property) => ({
          property,
          message: 'text of devices is text: let Preact escape it',
        })),
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: 'text of devices is text: let Preact escape it',
        },
        {
          selector: "JSXAttribute[name.name='style']",
          message: 'the content security policy allows style sheets only',
        },
        ...['', "TSTypeReference[typeName.name='Readonly'] > TSTypeParameterInstantiation > "].map(
          (within) => ({
            selector: `:matches(Program, ExportNamedDeclaration) > VariableDeclaration > VariableDeclarator > Identifier.id > TSTypeAnnotation > ${within}TSTypeReference[typeName.name='Record'] > TSTypeParameterInstantiation > TSStringKeyword:first-child`,
            message: 'a name may be that of a member of every object: look words up in format/words.ts',
          }),
        ),
      ],
    },
  },
  { files: ['src/cli/**/*.ts', 'bench/**/*.ts', 'examples/**/*.{ts,js}'], rules: { 'no-console': 'off' } },
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
  {
    files: ['test/**/*.ts'],
    ignores: ['test/support/fast-check.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'fast-check', message: 'Import test/support/fast-check.ts: it decides on the seed.' },
          ],
        },
      ],
    },
  },
  { files: ['**/*.js', '**/*.cjs'], extends: [tseslint.configs.disableTypeChecked] },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
