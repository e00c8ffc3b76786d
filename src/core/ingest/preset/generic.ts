import type { CodecKind } from '../codec/codec.ts';
import type { Preset } from './preset.ts';

/** A codec under its own name as a preset: no topics of its own, nothing ignored. */
export function codecPreset(codec: CodecKind, topic?: string): Preset {
  return {
    name: codec.name,
    summary: codec.summary,
    defaults: () => ({ codec: codec.name, ...(topic === undefined ? {} : { topic }) }),
  };
}
