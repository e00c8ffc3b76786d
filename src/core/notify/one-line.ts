/** Replaces control characters, including line breaks, and marks that reorder text by blanks. For a title or a subject. */
export const oneLine = (text: string): string =>
  text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();
