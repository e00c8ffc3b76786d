/** The parameter values of a Bind message; `at` points behind the two names. */
export function bindValues(raw: Buffer, at: number): ({ binary: boolean; bytes: Buffer } | null)[] {
  let from = at;
  const formats: number[] = [];
  for (let left = raw.readInt16BE(from); left > 0; left--) formats.push(raw.readInt16BE((from += 2)));
  from += 2;
  const values: ({ binary: boolean; bytes: Buffer } | null)[] = [];
  const count = raw.readInt16BE(from);
  from += 2;
  for (let i = 0; i < count; i++) {
    const length = raw.readInt32BE(from);
    from += 4;
    const format = formats.length === 1 ? formats[0] : formats[i];
    values.push(length < 0 ? null : { binary: format === 1, bytes: raw.subarray(from, from + length) });
    from += Math.max(0, length);
  }
  return values;
}

/** An integer parameter of any width, in text or binary; undefined for anything else. */
export function integerValue(
  value: { binary: boolean; bytes: Buffer } | null | undefined,
): bigint | undefined {
  if (value === null || value === undefined) return undefined;
  if (!value.binary) {
    const text = value.bytes.toString('latin1').trim();
    return /^[+-]?\d+$/.test(text) ? BigInt(text) : undefined;
  }
  if (value.bytes.length === 8) return value.bytes.readBigInt64BE();
  if (value.bytes.length === 4) return BigInt(value.bytes.readInt32BE());
  return value.bytes.length === 2 ? BigInt(value.bytes.readInt16BE()) : undefined;
}
