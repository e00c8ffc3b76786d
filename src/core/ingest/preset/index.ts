import { CODECS } from '../codec/index.ts';
import type { RouteConfig } from '../route-config.ts';
import { chirpstackV4 } from './chirpstack-v4.ts';
import { edgex } from './edgex.ts';
import { esphome } from './esphome.ts';
import { codecPreset } from './generic.ts';
import { homie } from './homie.ts';
import { owntracks } from './owntracks.ts';
import type { Preset } from './preset.ts';
import { rtl433 } from './rtl_433.ts';
import { ruuvi } from './ruuvi.ts';
import { shellyGen1 } from './shelly-gen1.ts';
import { shellyGen2 } from './shelly-gen2.ts';
import { sparkplugB } from './sparkplug-b.ts';
import { tasmota } from './tasmota.ts';
import { theengs } from './theengs.ts';
import { thingsboard, thingsboardGateway } from './thingsboard.ts';
import { ttnV3 } from './ttn-v3.ts';
import { zigbee2mqtt } from './zigbee2mqtt.ts';

/** Every preset. A new one is one file and one line here; a codec that is one says so itself. */
export const PRESETS: readonly Preset[] = [
  ...CODECS.filter(({ preset }) => preset !== undefined).map(codecPreset),
  zigbee2mqtt,
  tasmota,
  esphome,
  rtl433,
  theengs,
  ttnV3,
  chirpstackV4,
  sparkplugB,
  shellyGen2,
  shellyGen1,
  homie,
  owntracks,
  ruuvi,
  edgex,
  thingsboard,
  thingsboardGateway,
];

export function presetNamed(name: string): Preset | undefined {
  return PRESETS.find((preset) => preset.name === name);
}

/**
 * The route with its preset's keys under its own. Writing one way to name the device takes the preset's other away;
 * fields, names and keys to skip add to the preset's.
 */
export function effectiveConfig(config: RouteConfig): RouteConfig {
  const preset = config.preset === undefined ? undefined : presetNamed(config.preset);
  if (preset === undefined) return config;
  const defaults = preset.defaults(config);
  const written = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  const ownDevice = config.device !== undefined || config.device_path !== undefined;
  return {
    ...defaults,
    ...(ownDevice ? { device: undefined, device_path: undefined } : {}),
    ...written,
    fields: { ...defaults.fields, ...config.fields },
    metric_map: { ...defaults.metric_map, ...config.metric_map },
    skip: [...(defaults.skip ?? []), ...(config.skip ?? [])],
  };
}
