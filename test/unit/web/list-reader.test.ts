import { expect, test } from '@jest/globals';
import type { SensorItem, SensorList } from '../../../src/api/contract/sensors.ts';
import type { Query } from '../../../src/web/rest/client.ts';
import { ListReader, type Loaded, itemsOf } from '../../../src/web/views/sensors/list-reader.ts';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A daemon with pages of two sensors, that answers when the test says so. */
function setUp() {
  const asked: { query: Query; answer: (page: SensorList | Error) => void }[] = [];
  let shown: Loaded | undefined;
  let failed = false;
  const reader = new ListReader(
    {
      get: (query) =>
        new Promise((resolve, reject) => {
          asked.push({ query, answer: (page) => (page instanceof Error ? reject(page) : resolve(page)) });
        }),
      onChange: (loaded, problem) => {
        shown = loaded;
        failed = problem !== undefined;
      },
    },
    undefined,
  );
  const page = (keys: string, next: string | null): SensorList => ({
    items: [...keys].map((key) => ({ key }) as SensorItem),
    ...{ next, total: 6 },
  });
  const answer = async (given: SensorList | Error) => {
    asked.shift()!.answer(given);
    await settled();
  };
  const cursors = () => asked.map(({ query }) => query['cursor']);
  const keys = () =>
    shown === undefined
      ? ''
      : itemsOf(shown)
          .map(({ key }) => key)
          .join('');
  return { reader, page, answer, cursors, keys, failed: () => failed };
}

test('the end of the list that is reached while a page is read again leads to the next one', async () => {
  const { reader, page, answer, cursors, keys } = setUp();
  reader.open('/a', {}, 0);
  await answer(page('ab', '1'));
  reader.refresh(0);
  reader.more();
  expect(cursors()).toEqual([undefined]);
  await answer(page('ab', '1'));
  expect(cursors()).toEqual(['1']);
  await answer(page('cd', null));
  expect([keys(), cursors()]).toEqual(['abcd', []]);
  reader.more();
  expect(cursors()).toEqual([]);
});

test('a page that failed is not requested again by itself, but with the next that succeeds', async () => {
  const { reader, page, answer, cursors, keys, failed } = setUp();
  reader.open('/a', {}, 0);
  await answer(page('ab', '1'));
  reader.more();
  await answer(new Error('away'));
  expect([failed(), keys(), cursors()]).toEqual([true, 'ab', []]);
  reader.refresh(0);
  await answer(page('ab', '1'));
  expect([failed(), cursors()]).toEqual([false, ['1']]);
});

test('another list takes the place of the one that is being read; a sensor on two pages is shown once', async () => {
  const { reader, page, answer, cursors, keys } = setUp();
  reader.open('/a', {}, 0);
  reader.open('/b', { search: 'b' }, 0);
  await answer(page('xy', '1'));
  expect(keys()).toBe('');
  await answer(page('bc', '1'));
  reader.more();
  await answer(page('cd', null));
  expect([keys(), cursors()]).toEqual(['bcd', []]);
});
