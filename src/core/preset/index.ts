import { json } from '../codec/json.ts';
import { scalar } from '../codec/scalar.ts';
import { codecPreset } from './generic.ts';
import type { Preset } from './preset.ts';

/** Every preset. A new one is one file and one line here. */
export const PRESETS: readonly Preset[] = [codecPreset(json), codecPreset(scalar)];

export function presetNamed(name: string): Preset | undefined {
  return PRESETS.find((preset) => preset.name === name);
}
