/** Characters that change what stands beside them, or are not seen: controls, bidirectional overrides, zero width. */
const INVISIBLE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** Text of a device as it is shown: what cannot be seen is written out (`\u202E`), and is no instruction to the renderer. */
export const visible = (text: string): string =>
  text.replace(INVISIBLE, (one) => `\\u${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`);

/** The beginning of a text that is too long for its place. */
export function shortened(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
