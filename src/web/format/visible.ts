/**
 * Characters that change what stands beside them, or are not seen: controls, bidirectional overrides, joiners, fillers, tags, halves of
 * pairs. A variation selector is part of its emoji.
 */
const INVISIBLE = /(?![\ufe0e\ufe0f])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Text of a device as it is shown: what cannot be seen is written out (`\u202E`), and is no instruction to the renderer. */
export const visible = (text: string): string => text.replace(INVISIBLE, writtenOut);

const writtenOut = (character: string): string => {
  const hex = character.codePointAt(0)!.toString(16).toUpperCase();
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
};

/** The beginning of a text that is too long for its place. */
export function shortened(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
