import { expect, test } from '@jest/globals';
import { identifier, qualified } from '../../../src/core/policy/repair/policy-sql.ts';

test.each([
  ['sensor_id', 'sensor_id'],
  ['user', '"user"'],
  ['order', '"order"'],
  ['system_user', '"system_user"'],
  ['Key', '"Key"'],
  ['1st', '"1st"'],
  ['a"b', '"a""b"'],
])('the name %s is written %s', (name, expected) => {
  expect(identifier(name)).toBe(expected);
});

test('one of our tables is written with its schema, whatever the search_path leads to', () => {
  expect(qualified('iot', 'sensors')).toBe('iot.sensors');
  expect(qualified('user', 'sensors')).toBe('"user".sensors');
  expect(qualified('iot', '_timescaledb_internal._hyper_1_2_chunk')).toBe(
    '_timescaledb_internal._hyper_1_2_chunk',
  );
});
