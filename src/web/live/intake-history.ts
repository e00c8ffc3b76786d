/** The figures of the last minutes: one a second. */
const MOST = 180;

export const withFigure = (history: readonly number[], perSecond: number): readonly number[] =>
  [...history, perSecond].slice(-MOST);
