import { describe, expect, test } from '@jest/globals';
import { ApiClient, asProblem } from '../../../src/web/rest/client.ts';
import type { ApiProblem } from '../../../src/web/rest/problem.ts';

function client(answer: (url: string, init: RequestInit) => Promise<Response>, timeoutMs?: number) {
  const seen: { url: string; init: RequestInit }[] = [];
  let unauthorised = 0;
  const made = new ApiClient({
    root: '/base/api/v1/',
    fetch: ((url: string, init: RequestInit) => {
      seen.push({ url, init });
      return answer(url, init);
    }) as typeof fetch,
    onUnauthorised: () => unauthorised++,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return { made, seen, unauthorised: () => unauthorised };
}

const json = (body: unknown, status = 200, type = 'application/json') =>
  Promise.resolve(new Response(JSON.stringify(body), { status, headers: { 'content-type': type } }));

const failure = async (promise: Promise<unknown>): Promise<ApiProblem> => {
  try {
    await promise;
  } catch (error) {
    return asProblem(error);
  }
  throw new Error('it succeeded');
};

test('addresses have the base, and leave out what is not set', () => {
  const { made } = client(() => json({}));
  expect(made.urlOf('sensors', { search: 'a&b', location: '', tag: undefined, limit: 5 })).toBe(
    '/base/api/v1/sensors?search=a%26b&limit=5',
  );
  expect(made.urlOf('x', { state: ['a', 'b'] })).toBe('/base/api/v1/x?state=a&state=b');
  expect(made.urlOf('x', { limit: 1, state: ['a'] })).toBe('/base/api/v1/x?limit=1&state=a');
  expect(made.urlOf('status')).toBe('/base/api/v1/status');
});

test('bodies are JSON, and an empty answer is nothing', async () => {
  const { made, seen } = client(() => Promise.resolve(new Response(null, { status: 204 })));
  expect(await made.post('x', { a: 1 })).toBeUndefined();
  expect(seen[0]!.init).toMatchObject({ method: 'POST', body: '{"a":1}', credentials: 'same-origin' });
  await made.delete('x');
  expect(seen[1]!.init).not.toHaveProperty('body');
});

describe('failures', () => {
  test('are problem details', async () => {
    const problem = {
      code: 'SENSOR_UNKNOWN',
      title: 'Unknown sensor',
      detail: 'no sensor x',
      remedy: 'look',
      errors: [{ pointer: '/query/limit', detail: 'too much' }, 7],
    };
    const { made } = client(() => json(problem, 404, 'application/problem+json'));
    expect(await failure(made.get('x'))).toMatchObject({
      status: 404,
      code: 'SENSOR_UNKNOWN',
      title: 'Unknown sensor',
      detail: 'no sensor x',
      remedy: 'look',
      fields: [{ pointer: '/query/limit', detail: 'too much' }],
    });
  });

  test('of a proxy have words, too', async () => {
    const { made } = client(() => Promise.resolve(new Response('<h1>Bad gateway', { status: 502 })));
    expect(await failure(made.get('x'))).toMatchObject({
      code: 'HTTP_502',
      title: expect.stringMatching(/proxy/),
    });
  });

  test('for want of a token lead to the log-in', async () => {
    const { made, unauthorised } = client(() => json({}, 401));
    expect(await failure(made.get('x'))).toMatchObject({ status: 401 });
    expect(unauthorised()).toBe(1);
  });

  test('of the network, and answers that are cut short', async () => {
    const refused = client(() => Promise.reject(new TypeError('fetch failed')));
    expect(await failure(refused.made.get('x'))).toMatchObject({ code: 'UNREACHABLE' });
    const cut = client(() =>
      Promise.resolve(new Response('{"a":', { headers: { 'content-type': 'application/json' } })),
    );
    expect(await failure(cut.made.get('x'))).toMatchObject({ code: 'UNREACHABLE' });
  });

  test('of a daemon that does not answer', async () => {
    const silent = (_url: string, { signal }: RequestInit): Promise<Response> =>
      new Promise((_resolve, reject) =>
        signal!.addEventListener('abort', () => reject(new Error('aborted'))),
      );
    const { made } = client(silent, 1);
    expect(await failure(made.get('x'))).toMatchObject({ code: 'TIMEOUT' });
  });

  test('an abort of the caller stays one', async () => {
    const left = new AbortController();
    const { made } = client(
      (_url, { signal }) =>
        new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(new Error('left')))),
    );
    const answer = made.get('x', {}, left.signal);
    left.abort();
    await expect(answer).rejects.toThrow('left');
  });
});
