import { expect, test } from '@jest/globals';
import { ingestOptions } from '../../../src/app/options.ts';
import { loadConfig } from '../../../src/config/load.ts';

const MIB = 1024 ** 2;

test.each([
  ['as configured, where the spool has room for many', '{ max_bytes: 64MiB }', 8 * MIB],
  ['a quarter of a small spool', '{ max_bytes: 16MiB }', 4 * MIB],
  ['as configured without a spool', '{ enabled: false, max_bytes: 1MiB }', 8 * MIB],
])('a batch is as large as it may be: %s', (_, spool, expected) => {
  const text = `mqtt: { url: "mqtt://broker" }\nroutes: [{ topic: "a/{device}", codec: json }]\nspool: ${spool}\n`;
  const { config } = loadConfig({ env: {}, hostname: 'pi', text });
  expect(ingestOptions(config).batch.maxBytes).toBe(expected);
});
