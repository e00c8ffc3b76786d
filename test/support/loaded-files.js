// For `node --import`: at its end the process has the files that it loaded in FIELDWATCH_TEST_LOADED, one a line.
import { appendFileSync } from 'node:fs';
import { Module, register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const list = process.env.FIELDWATCH_TEST_LOADED;

/** A hook of Node: it runs on a thread of its own. */
export async function load(url, context, next) {
  appendFileSync(list, `${url}\n`);
  return next(url, context);
}

if (isMainThread) {
  register(import.meta.url);
  process.on('exit', () => appendFileSync(list, Object.keys(Module._cache).join('\n')));
}
