import fc from 'fast-check';

/**
 * Properties see the same cases in each run of the suite, so that a failure belongs to the change that caused it. The nightly
 * run and `FIELDWATCH_TEST_SEED=random` look for new ones; a number repeats a seed that a failure has printed.
 */
const given = process.env['FIELDWATCH_TEST_SEED'];
const random =
  given === 'random' || (given === undefined && process.env['FIELDWATCH_TEST_NIGHTLY'] !== undefined);
if (!random) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(given ?? 1) });

export { default } from 'fast-check';
