import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { renameAdvisoryCalls } from '../../../src/embedded/gateway/advisory-locks.ts';
import { classify } from '../../../src/embedded/gateway/classify.ts';
import { statements, topWords } from '../../../src/embedded/gateway/sql.ts';

describe('COPY FROM STDIN is recognised', () => {
  test.each([
    'COPY t FROM STDIN',
    'copy t from stdin;',
    '  -- a comment\n/* and /* another */ */ COPY public.t (a, "from") FROM STDIN WITH (FORMAT csv, DELIMITER \';\')',
    'COPY "odd ""name""; select" FROM STDIN BINARY',
    'COPY t FROM STDIN; ; -- the end',
  ])('%s', (sql) => {
    expect(classify(sql)).toMatchObject({ copyIn: true, copyInMixed: false });
  });

  test.each([
    'COPY t TO STDOUT',
    "COPY t FROM '/tmp/stdin'",
    "SELECT 'COPY t FROM STDIN'",
    '-- COPY t FROM STDIN\nSELECT 1',
    '/* COPY t FROM STDIN */ SELECT 1',
    'SELECT $x$ COPY t FROM STDIN $x$',
    'COPY (SELECT a FROM stdin) TO STDOUT',
    'SELECT a FROM copy, stdin',
    "SELECT E'\\'; COPY t FROM STDIN; --'",
    'SELECT "; COPY t FROM STDIN; "',
  ])('not in %s', (sql) => {
    expect(classify(sql)).toMatchObject({ copyIn: false, copyInMixed: false });
  });

  test('and refused among others', () => {
    expect(classify('SELECT 1; COPY t FROM STDIN')).toMatchObject({ copyIn: false, copyInMixed: true });
  });

  test('its format', () => {
    expect(classify('COPY t FROM STDIN (FORMAT binary)').copyBinary).toBe(true);
    expect(classify("COPY t FROM STDIN WITH (FORMAT 'binary')").copyBinary).toBe(true);
    expect(classify('COPY t FROM STDIN (FORMAT csv)').copyBinary).toBe(false);
  });
});

describe('settings', () => {
  test.each([
    ['SET TimeZone = 1', true],
    ['set session time zone utc', true],
    ['/* x */ SET a = 1', true],
    ['BEGIN; SET a = 1; COMMIT', true],
    ['RESET ALL', true],
    ["SELECT set_config('a', 'b', false)", true],
    ['SET LOCAL a = 1', false],
    ['SET TRANSACTION READ ONLY', false],
    ['UPDATE t SET a = 1', false],
    ['INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1', false],
    ["SELECT 'set_config'", false],
  ])('%s: %s', (sql, settings) => {
    expect(classify(sql).settings).toBe(settings);
  });
});

describe('advisory locks', () => {
  test.each([
    ['SELECT pg_try_advisory_lock(1)', 'SELECT fieldwatch_gateway.pg_try_advisory_lock(1)'],
    [
      'select PG_CATALOG . pg_advisory_unlock ( 1 , $2 )',
      'select fieldwatch_gateway.pg_advisory_unlock ( 1 , $2 )',
    ],
    [
      "SELECT 'pg_advisory_lock(1)' -- pg_advisory_lock(2)",
      "SELECT 'pg_advisory_lock(1)' -- pg_advisory_lock(2)",
    ],
    ['SELECT pg_advisory_lock', 'SELECT pg_advisory_lock'],
  ])('%s', (sql, renamed) => {
    expect(renameAdvisoryCalls(sql).sql).toBe(renamed);
  });

  test('arguments are taken apart at the outer commas only', () => {
    const { calls } = renameAdvisoryCalls(
      `SELECT pg_advisory_xact_lock_shared(coalesce(1, 2), hashtext('a,b)'))`,
    );
    expect(calls).toEqual([
      {
        action: 'lock',
        shared: true,
        untilTransactionEnd: true,
        args: ['coalesce(1, 2)', `hashtext('a,b)')`],
      },
    ]);
  });
});

describe('the scanner', () => {
  test('covers any text without overlap, and ends', () => {
    const piece = fc.constantFrom(
      "'",
      '"',
      '$$',
      '$t$',
      '--',
      '/*',
      '*/',
      ';',
      '(',
      ')',
      'copy',
      ' ',
      '\n',
      "E'",
      '\\',
      'U&"',
      '1e5',
      '$1',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 40 }), (pieces) => {
        const sql = pieces.join('');
        let at = 0;
        for (const token of statements(sql).flat()) {
          expect(token.start).toBeGreaterThanOrEqual(at);
          expect(token.end).toBeGreaterThan(token.start);
          at = token.end;
        }
        expect(at).toBeLessThanOrEqual(sql.length);
      }),
    );
  });

  test('words in parentheses are not the statement’s', () => {
    expect(topWords(statements('COPY t (a, b) FROM STDIN (FORMAT csv)')[0]!)).toEqual([
      'copy',
      't',
      'from',
      'stdin',
    ]);
  });
});
