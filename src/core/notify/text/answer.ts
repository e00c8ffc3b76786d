import type { AlertCommandAction } from '../alert-command.ts';
import type { Millis } from '../../reading.ts';
import { fill } from './language.ts';
import { localUntil } from './moment.ts';
import { type TextContext, clockOf } from './sentence.ts';

/** Outcome of acknowledging or silencing an alert from a notification. */
export interface AnswerResult {
  /** `over`: there is no such open alert. `queued`: no daemon has executed it yet. */
  readonly outcome: 'done' | 'already' | 'over' | 'queued';
  /** The first operator under the name of the request, and when; of `already` that of the acknowledgement that stands; absent if the alert was over. */
  readonly by?: string | undefined;
  readonly atMs?: Millis | undefined;
  /** End of a silence, or of an acknowledgement that ends. */
  readonly untilMs?: Millis | undefined;
  readonly action?: AlertCommandAction | undefined;
  /** The request was made before. */
  readonly repeated: boolean;
}

/** The result in the language of the context, in a sentence. */
export function answerText(result: AnswerResult, context: TextContext): string {
  const { outcome, by = '', untilMs, action } = result;
  const { messages } = context.language;
  switch (outcome) {
    case 'over':
      return messages.is_over;
    case 'already':
      return action === 'unsilence' ? messages.not_silenced : messages.already_acknowledged;
    case 'queued':
      return messages.is_queued;
    case 'done':
      if (action === 'unsilence') return fill(messages.done_unsilenced, { by });
      if (untilMs === undefined) return fill(messages.done_acknowledged, { by });
      return fill(action === 'ack' ? messages.done_acknowledged_until : messages.done_silenced, {
        by,
        time: localUntil(untilMs, context.nowMs, clockOf(context)),
      });
  }
}
