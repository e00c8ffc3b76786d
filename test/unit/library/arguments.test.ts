import { describe, expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import {
  decode,
  evaluate,
  openMonitor,
  parseConfig,
  registerCodec,
  startDaemon,
} from '../../../src/index.ts';

const thrownBy = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call();
  } catch (error) {
    return error;
  }
};

const route = { topic: 'x/{device}', codec: 'json' };
const message = { topic: 'x/a', payload: '{}' };
const logger = { debug: () => {}, info: () => {}, warn: () => {} };

/** Each is called as a program without types may. */
const CASES: [string, (...given: never[]) => unknown, readonly unknown[], string][] = [
  ['openMonitor', openMonitor, [], 'options: expected object, received undefined'],
  ['openMonitor', openMonitor, [null], 'options: expected object, received null'],
  ['openMonitor', openMonitor, ['postgres://h/x'], 'options: expected object, received string'],
  ['openMonitor', openMonitor, [{}], 'options.database: expected '],
  ['openMonitor', openMonitor, [{ database: 5 }], 'options.database: expected '],
  ['openMonitor', openMonitor, [{ database: {} }], 'options.database: expected '],
  [
    'openMonitor',
    openMonitor,
    [{ database: 'postgres://h/x', settings: null }],
    'options.settings: expected object',
  ],
  ['openMonitor', openMonitor, [{ database: 'postgres://h/x', name: 5 }], 'options.name: expected string'],
  [
    'openMonitor',
    openMonitor,
    [{ database: 'postgres://h/x', logger }],
    'options.logger.error: expected a function',
  ],
  ['decode', decode, [], 'route: expected object, received undefined'],
  ['decode', decode, [null, message], 'route: expected object, received null'],
  ['decode', decode, [route], 'message: expected object, received undefined'],
  ['decode', decode, [route, { topic: 'x/a' }], 'message.payload: expected a Uint8Array or a string'],
  ['decode', decode, [route, { payload: '' }], 'message.topic: expected string, received undefined'],
  ['registerCodec', registerCodec, [], 'codec: expected object, received undefined'],
  [
    'registerCodec',
    registerCodec,
    [{ name: 'own-format', summary: 's' }],
    'codec.decode: expected a function',
  ],
  ['evaluate', evaluate, [], 'rules: expected object, received undefined'],
  ['evaluate', evaluate, [{}], 'readings: expected array, received undefined'],
  ['evaluate', evaluate, [{}, 5], 'readings: expected array, received number'],
  ['evaluate', evaluate, [{}, [null]], 'readings.0: expected object, received null'],
  [
    'evaluate',
    evaluate,
    [{}, [{ sensor: 'a', time: 0 }]],
    'readings.0.metrics: expected object, received undefined',
  ],
  ['evaluate', evaluate, [{}, [], null], 'options: expected object, received null'],
  ['parseConfig', parseConfig, [], 'yaml: expected string, received undefined'],
  ['startDaemon', startDaemon, [], 'config: expected a string, or what parseConfig gave'],
  ['startDaemon', startDaemon, [{}], 'config: expected a string, or what parseConfig gave'],
  ['startDaemon', startDaemon, ['{}', null], 'options: expected object, received null'],
];

describe('an argument of another shape is refused with its name and the shape that is expected', () => {
  test.each(CASES)('%s, %#: %p', async (name, call, given, expected) => {
    const error = await thrownBy(() => call(...(given as never[])));
    expect(error).toBeInstanceOf(FieldwatchError);
    expect(error).toMatchObject({
      code: 'ARGUMENT_INVALID',
      remedy: expect.stringMatching(/^\w[\w.]* is ./),
    });
    expect((error as Error).message).toContain(`${name}: ${expected}`);
  });
});
