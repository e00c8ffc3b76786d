/** `npm run nightly`: also what needs hours, or programs that no package brings. */
export const isNightly = process.env['FIELDWATCH_TEST_NIGHTLY'] === '1';

/** How often a test of chance or endurance repeats: a few times in `npm test`, often in `npm run nightly`. */
export const rounds = (few: number, nightly: number): number => (isNightly ? nightly : few);
