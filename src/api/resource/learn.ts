import { FieldwatchError } from '../../core/errors.ts';
import { learnParams, learnRequestSchema, learningSchema } from '../contract/learn.ts';
import { resource } from './resource.ts';

export const startLearning = resource({
  id: 'startLearning',
  method: 'POST',
  path: '/learn',
  tag: 'set-up',
  summary: 'Listen to the broker for a while, and propose a configuration for what it sends',
  role: 'operator',
  body: learnRequestSchema,
  answer: learningSchema,
  status: 202,
  faults: ['LEARN_RUNNING', 'BROKER_UNREACHABLE', 'SUBSCRIPTION_REFUSED'],
  handle: ({ body }, { operations }) => operations.startLearning(body),
});

export const learning = resource({
  id: 'learning',
  method: 'GET',
  path: '/learn/:id',
  tag: 'set-up',
  summary: 'What a run of learn has received, and at its end what it proposes',
  role: 'operator',
  params: learnParams,
  answer: learningSchema,
  faults: ['LEARN_UNKNOWN'],
  handle({ params }, { operations }) {
    const found = operations.learning(params.id);
    if (found === undefined) throw unknownRun(params.id);
    return found;
  },
});

export const endLearning = resource({
  id: 'endLearning',
  method: 'DELETE',
  path: '/learn/:id',
  tag: 'set-up',
  summary: 'End a run of learn now, with what it has received',
  role: 'operator',
  params: learnParams,
  answer: learningSchema,
  faults: ['LEARN_UNKNOWN'],
  async handle({ params }, { operations }) {
    const found = await operations.endLearning(params.id);
    if (found === undefined) throw unknownRun(params.id);
    return found;
  },
});

const unknownRun = (id: string) =>
  new FieldwatchError(`no run of learn has the id ${id}`, {
    code: 'LEARN_UNKNOWN',
    kind: 'data',
    remedy: 'POST /api/v1/learn starts one; the last ten are kept until the daemon stops.',
  });
