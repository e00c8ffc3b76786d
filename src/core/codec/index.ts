import type { CodecKind } from './codec.ts';
import { json } from './json.ts';
import { scalar } from './scalar.ts';

/** Every payload format. A new one is one file and one line here. */
export const CODECS: readonly CodecKind[] = [json, scalar];

export function codecNamed(name: string): CodecKind | undefined {
  return CODECS.find((codec) => codec.name === name);
}
