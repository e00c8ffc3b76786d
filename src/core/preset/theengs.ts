import type { Observed } from '../learn/observed.ts';
import { beside, telemetry, withBase, type Recognition } from '../learn/recognition.ts';
import type { Preset } from './preset.ts';

function recognise({ levels, document }: Observed): Recognition | undefined {
  if (document === undefined) return undefined;
  if (levels.length > 3 && levels.at(-2) === 'BTtoMQTT')
    return telemetry(withBase(levels.slice(0, -3), 'home'));
  const ofGateway = levels.length > 2 && ['SYStoMQTT', 'BTtoMQTT'].includes(levels.at(-1) ?? '');
  return ofGateway ? beside(withBase(levels.slice(0, -2), 'home')) : undefined;
}

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
  recognise,
};
