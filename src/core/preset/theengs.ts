import type { Preset } from './preset.ts';

/** Theengs Gateway and OpenMQTTGateway: the last topic level is the MAC, always there and in one spelling. */
export const theengs: Preset = {
  name: 'theengs',
  summary: 'BLE sensors heard by Theengs Gateway or OpenMQTTGateway',
  defaults: ({ base_topic: base = 'home' }) => ({
    codec: 'json',
    topic: `${base}/{gateway}/BTtoMQTT/{device}`,
    skip: ['id', 'mac', 'mac_type'],
  }),
  rest: ({ base_topic: base = 'home' }) =>
    ['LWT', 'version', 'BTtoMQTT', 'SYStoMQTT', 'RLStoMQTT', 'commands/#', 'undecoded/#'].map(
      (topic) => `${base}/{gateway}/${topic}`,
    ),
};
