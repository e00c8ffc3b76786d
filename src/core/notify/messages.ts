import { type Delivery, type OutgoingNotification, isGroup } from './delivery.ts';
import { factsOf, oneLine, plain, render, type Template, truncate } from './template.ts';

/** The texts of a sink; absent: the ones below. Groups always use the built-in texts. */
export interface MessageTexts {
  readonly title?: Template | undefined;
  readonly body?: Template | undefined;
}

const MAX_TITLE = 250;

const WORDS: Readonly<Record<OutgoingNotification['event'], string>> = {
  firing: 'Firing',
  escalated: 'Escalated',
  deescalated: 'Less severe',
  resolved: 'Resolved',
  reminder: 'Still firing',
  flapping_start: 'Flapping',
  flapping_end: 'No longer flapping',
};

/** One line: `Firing: kitchen temperature_high (critical)`, `Firing: 4,000 × temperature_no_data (warning)`. */
export function titleOf(delivery: Delivery, { title }: MessageTexts): string {
  const first = firstOf(delivery);
  if (title !== undefined && !isGroup(delivery))
    return truncate(oneLine(render(title, factsOf(first), plain)), MAX_TITLE);
  const subject = isGroup(delivery) ? `${delivery.total.toLocaleString('en')} ×` : nameOf(first);
  const text = `${WORDS[first.event]}: ${subject} ${first.alertType} (${first.severity})`;
  return truncate(oneLine(text), MAX_TITLE);
}

/** Several lines: the message, since when, where, what to do; for a group the first names and how many more. */
export function bodyOf(delivery: Delivery, { body }: MessageTexts): string {
  const first = firstOf(delivery);
  if (isGroup(delivery)) return groupBody(delivery);
  if (body !== undefined) return render(body, factsOf(first), plain);
  const facts = factsOf(first);
  const lines = [
    plain(facts.message),
    facts.location === '' ? '' : `location: ${plain(facts.location)}`,
    `since: ${facts.started_at}${facts.duration === '' ? '' : `, for ${facts.duration}`}`,
    facts.peak_value === '' ? '' : `peak: ${facts.peak_value}`,
    facts.runbook === '' ? '' : `runbook: ${plain(facts.runbook)}`,
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function groupBody({ notifications, total }: Delivery): string {
  const names = notifications.map((each) => plain(nameOf(each)));
  const more = total - names.length;
  const runbook = notifications.find((each) => each.runbook !== null)?.runbook;
  return [
    `${total.toLocaleString('en')} notifications of one kind within a short time:`,
    ...names.map((name) => `- ${name}`),
    `and ${more.toLocaleString('en')} more: fieldwatch alerts list`,
    ...(runbook === undefined || runbook === null ? [] : [`runbook: ${plain(runbook)}`]),
  ].join('\n');
}

const nameOf = ({ sensorKey, facts }: OutgoingNotification) => facts.name ?? sensorKey;

export function firstOf({ notifications }: Delivery): OutgoingNotification {
  const [first] = notifications;
  if (first === undefined) throw new RangeError('a dispatch of nothing');
  return first;
}
