import { expect, test } from '@jest/globals';
import { errorFields } from '../../../src/adapters/log/logger.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';

test('a logged error says its message once, and names its cause in the stack', () => {
  const cause = new Error('database "x" does not exist');
  const error = new FieldwatchError(`connecting: ${cause.message}`, {
    code: 'DB_NO_DATABASE',
    kind: 'transient',
    remedy: 'Create it.',
    cause,
  });
  expect(errorFields(error)).toMatchObject({
    type: 'FieldwatchError',
    message: 'connecting: database "x" does not exist',
    stack: expect.stringContaining('caused by: Error: database "x" does not exist'),
    code: 'DB_NO_DATABASE',
    remedy: 'Create it.',
  });
});

test('what is thrown and is no error is logged as it is', () => expect(errorFields('a text')).toBe('a text'));
