import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const sections = page.split(/^## /m).slice(1);
const STEP = /^(\d+)\. `([\w.#]+)`.*? \(`(src\/[^`]+\.ts)`\)/;

interface Step {
  readonly name: string;
  readonly file: string;
}
const stepOf = (line: string): Step => {
  const [, , name = '', file = ''] = STEP.exec(line) ?? [];
  return { name, file };
};

/**
 * The caller of a step that the step before does not call itself: it returns to that caller first, or an event, an interface or the
 * wiring is between the two.
 */
const CALLERS: Readonly<Record<string, string>> = {
  'MqttConnection.#receive': 'src/adapters/mqtt/connection.ts MqttConnection.#connect',
  'Ingest.onMessage': 'src/adapters/mqtt/source.ts MqttJsSource.#attempt',
  'Route.decode': 'src/core/ingest/route.ts run',
  'SensorRegistry.find': 'src/services/ingest/ingest.ts Ingest.onMessage',
  'IngestBatch.addReading': 'src/services/ingest/ingest.ts Ingest.onMessage',
  'Ingest.writeAll': 'src/services/ingest/ingest.ts Ingest.flush',
  'MqttJsSource.acknowledge': 'src/services/ingest/ingest.ts Ingest.acknowledge',
  'Series.receive': 'src/core/alert/engine/engine.ts AlertEngine.number',
  evaluateThreshold: 'src/core/alert/kind/threshold.ts threshold',
  nextState: 'src/core/alert/engine/series.ts Series.evaluateAll',
  deliver: 'src/core/alert/engine/series.ts put',
  batchOf: 'src/services/alert/alert-manager.ts AlertManager.evaluate',
  writeAlerts: 'src/adapters/timescale/ingest/reading-store.ts TimescaleStore.#writeExtras',
  'AlertPublisher.publish': 'src/services/alert/alert-manager.ts AlertManager.publish',
  'NotificationDispatcher.queued': 'src/services/alert/publisher.ts AlertPublisher.markSent',
  'SinkWorker.#pass': 'src/services/notify/sink-worker.ts SinkWorker.#serveQueue',
  'SinkSender.send': 'src/services/notify/sink-worker.ts SinkWorker.#sendGroup',
  runCheck: 'src/core/policy/timed-out.ts answersTo',
  findingsOfTimedOut: 'src/core/policy/assess.ts assess',
  runRepair: 'src/services/policy/scheduler.ts createScheduler',
  createStatementExecutor: 'src/app/wiring/policy.ts openScheduler',
  systemAlertChanges: 'src/services/policy/system-alerts.ts SystemAlerts.update',
  overlay: 'src/config/load.ts gather',
  assemble: 'src/app.ts App.start',
  openAlertManager: 'src/app/build.ts makeComponents',
  reload: 'src/app.ts App.reload',
};

/** Functions, methods (`Class.method`) and constants of a file with their text: nothing that is only called or only a type. */
function declarations(file: string): ReadonlyMap<string, string> {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const found = new Map<string, string>();
  for (const node of source.statements) {
    if (ts.isFunctionDeclaration(node) && node.body !== undefined)
      found.set(node.name?.text ?? '', node.body.getText(source));
    else if (ts.isVariableStatement(node))
      for (const { name, initializer } of node.declarationList.declarations)
        if (initializer !== undefined) found.set(name.getText(source), initializer.getText(source));
    if (!ts.isClassDeclaration(node)) continue;
    for (const member of node.members)
      if (ts.isMethodDeclaration(member) && member.body !== undefined)
        found.set(`${node.name?.text}.${member.name.getText(source)}`, member.body.getText(source));
  }
  return found;
}

/** Whether a text has the name of a function or method, as a call or as a value. */
const mentions = (text: string, name: string): boolean =>
  new RegExp(`(?<![\\w$])${name.slice(name.indexOf('.') + 1)}(?![\\w$])`).test(text);

test('four paths are written down', () => {
  expect(sections).toHaveLength(4);
});

describe.each(sections.map((section) => [section.slice(0, section.indexOf('\n')), section]))(
  '%s',
  (_, section) => {
    const lines = section.split('\n').filter((line) => /^\d+\./.test(line));
    const steps = lines.map(stepOf);

    test('has at most twelve steps, each with a function and its file', () => {
      expect(lines.filter((line) => !STEP.test(line))).toEqual([]);
      expect(lines.map((line) => Number.parseInt(line, 10))).toEqual(lines.map((_line, at) => at + 1));
      expect(lines.length).toBeGreaterThanOrEqual(6);
      expect(lines.length).toBeLessThanOrEqual(12);
    });

    test.each(steps.map((step) => [step.name, step.file]))('%s is declared in %s', (name, file) => {
      expect([...declarations(file).keys()]).toContain(name);
    });

    test.each(steps.slice(1).map((step, at) => [steps[at]!.name, step.name, steps[at]!] as const))(
      '%s calls %s, or the caller is listed',
      (_before, name, before) => {
        const [file = '', caller = ''] = CALLERS[name]?.split(' ') ?? [before.file, before.name];
        expect([name, mentions(declarations(file).get(caller) ?? '', name)]).toEqual([name, true]);
      },
    );
  },
);

test('callers are listed of steps only', () => {
  const names = sections.flatMap((section) =>
    [...section.matchAll(/^\d+\. `([\w.#]+)`/gm)].map(([, name]) => name),
  );
  expect(Object.keys(CALLERS).filter((name) => !names.includes(name))).toEqual([]);
});

test('a message passes ten files at most', () => {
  const files = new Set([...sections[0]!.matchAll(/`(src\/[^`]+)`/g)].map(([, file]) => file));
  expect(files.size).toBeLessThanOrEqual(10);
});

test('CONTRIBUTING names files and folders that exist', () => {
  const contributing = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const named = [...contributing.matchAll(/`((?:src|test|sql|docs|config|scripts)\/[\w./-]+)`/g)].map(
    ([, path]) => path!,
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('the files that threads and processes are started from exist', () => {
  const named = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [
      ...readFileSync(join(root, 'src', file), 'utf8').matchAll(
        /workerEntry\(import\.meta\.url, '([^']+)\.js'/g,
      ),
    ])
    .map(([, place]) => place!);
  expect(named.length).toBeGreaterThanOrEqual(3);
  expect(named.filter((place) => !existsSync(join(root, 'src', `${place}.ts`)))).toEqual([]);
});
