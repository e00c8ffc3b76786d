/** How often a test of chance or endurance repeats: a few times in `npm test`, often in `npm run nightly`. */
export const rounds = (few: number, nightly: number): number =>
  process.env['FIELDWATCH_TEST_NIGHTLY'] === '1' ? nightly : few;
