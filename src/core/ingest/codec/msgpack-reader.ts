import { emptyDoc } from '../mapping/document.ts';
import { isoFromMicros } from '../mapping/instant.ts';
import { NAMELESS, TooDeep, TooLarge, type TreeLimits, fromFloat32, keyText, narrow } from './tree.ts';

/** Thrown for invalid MessagePack; the message is for display. */
export class MsgpackError extends Error {}

/**
 * Reads one MessagePack value (the specification of 2017) as a document tree. Written here because the libraries
 * either trust the lengths in the payload or compile parts of it: this one allocates nothing that the payload has
 * not delivered, counts depth, knows 32-bit floats, and refuses every extension but the timestamp.
 */
export class MsgpackReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;
  private maxItems = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The only value of the payload. */
  readAll(limits: TreeLimits): unknown {
    this.maxItems = limits.items;
    const value = this.read(limits.depth);
    if (this.at !== this.bytes.length) throw new MsgpackError('bytes after the end');
    return value;
  }

  private read(levels: number): unknown {
    const head = this.view.getUint8(this.take(1));
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 0x0f, levels);
    if (head < 0xa0) return this.array(head & 0x0f, levels);
    if (head < 0xc0) return this.text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return this.readTyped(head, levels);
  }

  private readTyped(head: number, levels: number): unknown {
    const { view } = this;
    // prettier-ignore
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.skip(view.getUint8(this.take(1)));
      case 0xc5: return this.skip(view.getUint16(this.take(2)));
      case 0xc6: return this.skip(view.getUint32(this.take(4)));
      case 0xc7: return this.extension(view.getUint8(this.take(1)));
      case 0xca: return fromFloat32(view.getFloat32(this.take(4)));
      case 0xcb: return view.getFloat64(this.take(8));
      case 0xcc: return view.getUint8(this.take(1));
      case 0xcd: return view.getUint16(this.take(2));
      case 0xce: return view.getUint32(this.take(4));
      case 0xcf: return narrow(view.getBigUint64(this.take(8)));
      case 0xd0: return view.getInt8(this.take(1));
      case 0xd1: return view.getInt16(this.take(2));
      case 0xd2: return view.getInt32(this.take(4));
      case 0xd3: return narrow(view.getBigInt64(this.take(8)));
      case 0xd6: return this.extension(4);
      case 0xd7: return this.extension(8);
      case 0xd9: return this.text(view.getUint8(this.take(1)));
      case 0xda: return this.text(view.getUint16(this.take(2)));
      case 0xdb: return this.text(view.getUint32(this.take(4)));
      case 0xdc: return this.array(view.getUint16(this.take(2)), levels);
      case 0xdd: return this.array(view.getUint32(this.take(4)), levels);
      case 0xde: return this.map(view.getUint16(this.take(2)), levels);
      case 0xdf: return this.map(view.getUint32(this.take(4)), levels);
      default: throw new MsgpackError(`type ${head.toString(16)} is not known`);
    }
  }

  /** The position of the next `count` bytes, which are there. */
  private take(count: number): number {
    const from = this.at;
    if (count > this.bytes.length - from) throw new MsgpackError('ends too early');
    this.at = from + count;
    return from;
  }

  private skip(count: number): null {
    this.take(count);
    return null;
  }

  private text(length: number): string {
    const from = this.take(length);
    return this.ascii(from, length) ?? utf8.decode(this.bytes.subarray(from, from + length));
  }

  /** Most keys are a few letters, and a decoder's call costs ten times what they do. */
  private ascii(from: number, length: number): string | undefined {
    if (length > MAX_SHORT_CHARS) return undefined;
    let text = '';
    for (let at = from; at < from + length; at++) {
      const code = this.bytes[at] ?? 0x80;
      if (code >= 0x80) return undefined;
      text += String.fromCharCode(code);
    }
    return text;
  }

  private array(length: number, levels: number): unknown[] {
    this.checkContainer(length, levels);
    const items: unknown[] = [];
    for (let index = 0; index < length; index++) {
      const item = this.read(levels - 1);
      if (index < this.maxItems) items.push(item);
    }
    return items;
  }

  private map(length: number, levels: number): Record<string, unknown> {
    this.checkContainer(length * 2, levels);
    if (length > this.maxItems) throw new TooLarge();
    const doc = emptyDoc();
    for (let index = 0; index < length; index++) {
      const name = keyText(this.read(levels - 1)) ?? NAMELESS;
      doc[name] = this.read(levels - 1);
    }
    return doc;
  }

  /** Each element takes a byte at least: a length beyond the payload is a lie, and nothing is allocated for it. */
  private checkContainer(elements: number, levels: number): void {
    if (levels <= 0) throw new TooDeep();
    if (elements > this.bytes.length - this.at) throw new MsgpackError('ends too early');
  }

  /** The timestamp, extension -1; other extensions mean something that is not known here. */
  private extension(length: number): string | null {
    const type = this.view.getInt8(this.take(1));
    const from = this.take(length);
    if (type !== -1) throw new MsgpackError(`extension ${type} is not known`);
    const micros = this.timestamp(from, length);
    return isoFromMicros(micros) ?? null;
  }

  private timestamp(from: number, length: number): number {
    const { view } = this;
    if (length === 4) return view.getUint32(from) * 1e6;
    if (length === 8) {
      const both = view.getBigUint64(from);
      return Number(both & 0x3_ffff_ffffn) * 1e6 + Math.floor(Number(both >> 34n) / 1000);
    }
    if (length === 12)
      return Number(view.getBigInt64(from + 4)) * 1e6 + Math.floor(view.getUint32(from) / 1000);
    throw new MsgpackError('a timestamp has 4, 8 or 12 bytes');
  }
}

const MAX_SHORT_CHARS = 24;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
