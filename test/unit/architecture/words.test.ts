import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

// The words of this project are those of the field: MQTT, PostgreSQL, Prometheus. A component is no person: it is not told something,
// looks after nothing and has no duty. This holds for identifiers, comments, log messages, help texts, test names and the documentation.

const root = join(import.meta.dirname, '../../..');
const FOLDERS = ['src', 'bench', 'chaos', 'docs', 'examples', 'scripts', 'test'];
const files = [
  'README.md',
  'CONTRIBUTING.md',
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  ),
].filter((file) => /\.(?:tsx?|js|md)$/.test(file) && file !== 'test/unit/architecture/words.test.ts');

const WORDS =
  /\b(?:told|untold|tells? of|dut(?:y|ies)|hearing|hold-?ups?|(?:some|no)body|mend(?:s|ed|ing)?|looks? after|so often|turnstiles?)\b/g;

/** Names of stored rows, and people: file, word, times. */
const EXEMPT = [
  'src/core/alert/engine/state-row.ts told 4', // a key of stored states
  'src/core/alert/cluster/earlier-fence.ts duty 5', // a key of records that earlier versions have spooled
  'test/unit/alert/handover-record.test.ts duty 1', // the same
  'src/core/notify/text/en.ts nobody 2', // operators
  'src/core/notify/messages.ts nobody 1',
  'test/unit/notify/text.test.ts nobody 1',
  'docs/notifications.md nobody 1',
];

/** Words of names, too: `shardDuty`. Not words of ours: PagerDuty, a table that migrations have left (`alert_duty`), the unknown sensors of tests. */
const wordsOf = (text: string): readonly string[] =>
  text
    .replace(/(['"])nobody\1/g, '')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase()
    .replace(/\b(?:pager|alert) duty\b/g, '')
    .match(WORDS) ?? [];

const texts = files.map((file) => [file, readFileSync(join(root, file), 'utf8')] as const);

test('private words are not in use', () => {
  const found = texts.flatMap(([file, text]) => {
    const words = wordsOf(text);
    return [...new Set(words)].map(
      (word) => `${file} ${word} ${words.filter((each) => each === word).length}`,
    );
  });
  expect(found.sort()).toEqual([...EXEMPT].sort());
});

const code = texts.filter(([file]) => /^(?:src|bench|chaos|scripts)\//.test(file));
const tests = texts.filter(([file]) => /^test\/.*\.tsx?$/.test(file));
const matches = (pattern: RegExp, where = code): readonly string[] =>
  where.flatMap(([file, text]) => [...text.matchAll(pattern)].map(([, line]) => `${file}: ${line}`));

test('a comment names its subject', () => {
  expect(matches(/\/\*\*\s+(?:\* )?(What\b.*)/g)).toEqual([]);
  const all = [...code, ...tests];
  expect(matches(/\/\*\*\s+(?:\* )?((?:Who(?:ever|se)?|Of|Those|None|That)\b.*)/g, all)).toEqual([]);
  // The first line of a comment: a further one may go on with any word.
  expect(matches(/^(?!\s*\/\/).*\n\s*\/\/ ((?:Who(?:ever|se)?|Of|Those|None|That)\b.*)/gm, all)).toEqual([]);
});

test('the name of a test states behaviour, not the life of a person', () => {
  const names = texts
    .filter(([file]) => /\.test\.tsx?$/.test(file))
    .flatMap(([file, text]) =>
      [...text.matchAll(/\b(?:test|it|describe\w*)(?:\.\w+)*(?:\([^()\n]*\))?\(\s*(['"`])(.+?)\1,/g)].map(
        ([, , name]) => `${file}: ${name}`,
      ),
    );
  expect(names.length).toBeGreaterThan(2000);
  const PERSON =
    /\b(?:whoever|anybody|everybody|someone|(?:is|are) no matter|as time passes|go(?:es)? away|dies?|died|hands? on|is believed|lets? go)\b/;
  expect(names.filter((name) => PERSON.test(name))).toEqual([]);
});

test('the message of a log line is constant: what varies is a field, an error too', () => {
  expect(matches(/\blogger\??\.((?:debug|info|warn|error)\([^;]*?`[^`;]*\$\{[^`;]*`,?\s*\);)/g)).toEqual([]);
});
