import { type DecodeOptions, Tokenizer, Type, decode } from 'cborg';
import type { CodecKind, Payload } from './codec.ts';
import {
  TooLarge,
  type TreeLimits,
  fromFloat32,
  instantText,
  toDocument,
  treeFault,
  treeLimits,
} from './tree.ts';

const FLOAT32_BYTES = 5;
// Tags 2 and 3 longer than this are no measurement.
const MAX_BIGNUM_BYTES = 32;

/** Distinguishes 32-bit floats from 64-bit ones, which a JavaScript number cannot; rejects maps that are too big. */
class StrictTokenizer extends Tokenizer {
  private readonly maxItems: number;

  constructor(data: Uint8Array, options: DecodeOptions, maxItems: number) {
    super(data, options);
    this.maxItems = maxItems;
  }

  override next(): ReturnType<Tokenizer['next']> {
    const token = super.next();
    // The library reads broken UTF-8 as U+FFFD: two devices could become one.
    if (Type.equals(token.type, Type.string) && (token.value as string).includes('\ufffd'))
      utf8.decode(token.byteValue);
    if (token.encodedLength === FLOAT32_BYTES && Type.equals(token.type, Type.float))
      token.value = fromFloat32(token.value as number);
    // An indefinite length is Infinity here; the tree counts those.
    else if (Type.equals(token.type, Type.map) && Number.isFinite(token.value) && token.value > this.maxItems)
      throw new TooLarge();
    return token;
  }
}

const bignum = (bytes: unknown, negative: boolean): bigint | null => {
  if (!(bytes instanceof Uint8Array) || bytes.length > MAX_BIGNUM_BYTES) return null;
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return negative ? -1n - value : value;
};

// RFC 8949 section 3.4. Any other tag is rejected: the meaning of its content is unknown.
const tags: NonNullable<DecodeOptions['tags']> = {
  0: (content) => content(),
  1: (content) => instantText(content()),
  2: (content) => bignum(content(), false),
  3: (content) => bignum(content(), true),
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

const SELF_DESCRIBED = [0xd9, 0xd9, 0xf7];

/** One CBOR item (RFC 8949), nothing behind it. */
export function decodeCbor(bytes: Uint8Array, limits: TreeLimits): Payload {
  const marked = SELF_DESCRIBED.every((byte, index) => bytes[index] === byte);
  const data = marked ? bytes.subarray(SELF_DESCRIBED.length) : bytes;
  // A tokenizer of one's own gets no defaults.
  const options: DecodeOptions = {
    useMaps: true,
    tags,
    allowBigInt: true,
    allowIndefinite: true,
    retainStringBytes: true,
  };
  try {
    const value: unknown = decode(data, {
      ...options,
      tokenizer: new StrictTokenizer(data, options, limits.items),
    });
    return { kind: 'document', value: toDocument(value, limits) };
  } catch (error) {
    return treeFault(error, 'not CBOR');
  }
}

export const cbor: CodecKind = {
  name: 'cbor',
  summary: 'a CBOR map, or an array of them',
  preset: {},
  create: () => ({ decode: (bytes, context) => decodeCbor(bytes, treeLimits(context.limits)) }),
};
