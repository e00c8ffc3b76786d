import { own } from '../mapping/document.ts';
import { NEIGHBOURS, type Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

function recognise({ levels, document }: Observed): Recognition | undefined {
  if (document === undefined) return undefined;
  if (levels.length > 3 && levels.at(-2) === 'BTtoMQTT')
    return telemetry(withBase(levels.slice(0, -3), 'home'));
  const radioAt = levels.indexOf('RTL_433toMQTT');
  if (radioAt > 1 && levels.length > radioAt + 1 && own(document, 'model') !== undefined)
    return telemetry(withBase(levels.slice(0, radioAt - 1), 'home'));
  const ofGateway = levels.length > 2 && ['SYStoMQTT', 'BTtoMQTT'].includes(levels.at(-1) ?? '');
  return ofGateway ? nonTelemetry(withBase(levels.slice(0, -2), 'home')) : undefined;
}

/** Theengs Gateway and OpenMQTTGateway: the last topic level is the MAC, always there and in one spelling;
 * of radio sensors the topic has model, channel and id. */
export const theengs: Preset = {
  name: 'theengs',
  summary: 'BLE sensors received by Theengs Gateway or OpenMQTTGateway',
  statesUnits: true,
  hint: () => NEIGHBOURS,
  defaults: ({ base_topic: base = 'home' }) => ({
    codec: 'json',
    topic: [`${base}/{gateway}/BTtoMQTT/{device}`, `${base}/{gateway}/RTL_433toMQTT/{device...}`],
    skip: ['id', 'mac', 'mac_type', 'channel', 'protocol', 'duration'],
  }),
  rest: ({ base_topic: base = 'home' }) =>
    [
      'LWT',
      'version',
      'BTtoMQTT',
      'RTL_433toMQTT',
      'SYStoMQTT',
      'RLStoMQTT',
      'commands/#',
      'undecoded/#',
    ].map((topic) => `${base}/{gateway}/${topic}`),
  recognise,
};
