/** `1 route`, `2 routes`: a number and what it counts, for texts. */
export const counted = (number: number, what: string, ofMany = `${what}s`): string =>
  `${number} ${number === 1 ? what : ofMany}`;
