/** A key as the pattern of a silence. A pattern has no escapes: a star in the key becomes a mark that stands for one character. */
export const patternOf = (key: string): string => key.replaceAll('*', '?');
