import type { CodecKind } from '../codec/codec.ts';
import type { Preset } from './preset.ts';

/** A codec under its own name as a preset: nothing ignored. */
export function codecPreset({ name, summary, statesUnits, preset }: CodecKind): Preset {
  return {
    ...{ name, summary },
    ...(statesUnits === undefined ? {} : { statesUnits }),
    defaults: () => ({ codec: name, ...preset }),
  };
}
