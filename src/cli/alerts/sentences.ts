import type { EpisodeStepName } from '../../core/alert/state/transitions.ts';
import type { StatedUnit } from '../../core/metric-unit.ts';
import { LANGUAGES } from '../../core/notify/text/languages.ts';
import { sentenceOf } from '../../core/notify/text/sentence.ts';
import type { PastNotification } from '../../queries/past-notifications.ts';

/** A stored message, and whose it is: without a step that of the row of an alert. */
export type Sentences = (
  message: string,
  step?: { readonly event: EpisodeStepName; readonly at: Date },
) => string;

/** The stored messages of an episode as the sentences of its notifications, each as of its time. A reminder may have the message of the firing. */
export function sentencesOf(past: readonly PastNotification[], stated: StatedUnit): Sentences {
  const ofSteps = new Map<string, string>();
  const ofRows = new Map<string, string>();
  for (const each of past) {
    const { message, event, eventTimeMs: nowMs } = each;
    const context = { language: LANGUAGES.en, timezone: 'UTC', nowMs, unitOf: stated };
    const sentence = sentenceOf(each, context);
    ofSteps.set(keyOf(message, event, nowMs), sentence);
    if (!ofRows.has(message)) ofRows.set(message, sentence);
  }
  return (message, step) =>
    (step && ofSteps.get(keyOf(message, step.event, step.at.getTime()))) ?? ofRows.get(message) ?? message;
}

const keyOf = (message: string, event: string, atMs: number): string =>
  `${event} ${Math.floor(atMs)} ${message}`;
