/** Slots: a power of two. A table of 10,000 sensors finds most of its topics, and one of a million costs no more. */
const SLOTS = 16_384;
/** Longer topics are decoded each time. */
const LONGEST = 256;

/**
 * Topics of messages, each string once: a sensor publishes to the same topic for ever, so nearly every topic of a connection
 * is one that it has seen. A known one costs no string, and maps that are asked for it have its hash already.
 * Only ASCII is kept; a topic with other characters is decoded each time.
 */
export class TopicNames {
  readonly #names: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);

  /** The UTF-8 text of `bytes` from `start` to `end`; malformed parts become U+FFFD. */
  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > LONGEST) return bytes.toString('utf8', start, end);
    let hash = length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
    // The last bytes of a topic mostly tell it from others: they reach the low bits only.
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#names[slot];
    if (known !== undefined && isText(known, bytes, start, length)) return known;
    const name = bytes.toString('utf8', start, end);
    if (name.length === length) this.#names[slot] = name;
    return name;
  }
}

/** As many characters as bytes, and each the same number: then both are ASCII, or the text is not of these bytes. */
function isText(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let at = 0; at < length; at++) if (text.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
}
