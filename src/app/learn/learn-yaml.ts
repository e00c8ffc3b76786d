import type { PlainObject } from '../../config/walk.ts';
import { counted } from '../../core/counted.ts';
import { formatDuration } from '../../core/duration.ts';
import { plainText } from '../../core/printable.ts';
import type { Learned, LearnedMetric, LearnedRoute, Reason } from '../../learn/learned.ts';
import { formatNumber, toSignificant } from '../../core/format-number.ts';
import { rulesSection } from './learn-rules.ts';

const MANY = 8;
const WIDTH = 116;

interface Form {
  /** How the broker was reached. */
  readonly mqtt: PlainObject | undefined;
  /** With the rules that are proposed. */
  readonly alerts: boolean;
}

/** The result of learning as a configuration, with the rest as comments. */
export function learnedYaml(learned: Learned, { mqtt, alerts }: Form): string {
  const { routes, leftOut, notPlaced } = learned;
  return [
    ...heading(learned),
    ...(mqtt === undefined
      ? ['# mqtt:', '#   url: mqtts://broker.example:8883']
      : ['mqtt:', ...entries(mqtt, '  ')]),
    '# Without database.url the readings go to the embedded TimescaleDB.',
    '# database:',
    '#   url: postgres://fieldwatch@db.example:5432/fieldwatch?sslmode=verify-full',
    ...(alerts ? rulesLines(learned) : NO_RULES),
    '',
    ...(routes.length === 0 ? ['routes: []'] : ['routes:', ...routes.flatMap(routeLines).slice(1)]),
    '',
    ...reasonLines('Left out, as no telemetry:', leftOut),
    ...reasonLines('Not placed:', notPlaced),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

const NO_RULES = [
  '# Without alerts nothing is watched: learn --alerts, docs/alerts.md, or `fieldwatch rules suggest` once readings are stored.',
];

function rulesLines({ rules, seconds }: Learned): string[] {
  const { metrics = {}, overrides = [] } = rulesSection(rules);
  const lines = [
    ...(rules.unsteady.length === 0
      ? []
      : [comment('no_data_after is left out where no steady interval was observed: ', rules.unsteady)]),
    ...(Object.keys(metrics).length === 0 ? [] : ['  metrics:', ...entries(metrics, '    ')]),
    ...(overrides.length === 0 ? [] : entries({ overrides }, '  ')),
  ];
  if (Object.keys(metrics).length === 0 && overrides.length === 0)
    return [
      '# No rules to propose: no steady interval was observed, and no part whose datasheet is known. Listen longer (--seconds).',
    ];
  const samples = formatDuration(Math.round(seconds) * 1000);
  return [
    `# Proposed after ${samples}. Silence: three intervals; a device that pauses longer at night or at weekends needs more.`,
    '# Limits: what a part can measure, so they find broken ones; `fieldwatch rules suggest` finds those of your own.',
    'alerts:',
    ...lines,
  ];
}

function heading({ messages, topics, seconds, overlooked }: Learned): string[] {
  const lines = [
    `# Learnt from ${counted(messages, 'message')} on ${counted(topics, 'topic')} in ${formatNumber(Math.round(seconds))} s.`,
  ];
  if (overlooked > 0)
    lines.push(
      `# Too many messages to examine them all: ${counted(overlooked, 'message')} left out. Narrow --filter.`,
    );
  lines.push('# See what it makes of a capture: fieldwatch decode -c FILE --replay CAPTURE', '');
  return lines;
}

function routeLines(learned: LearnedRoute): string[] {
  const { route, ecosystem, messages, topics, perMinute, devices, metrics, hints } = learned;
  const rate = perMinute === undefined ? '' : `, ${formatNumber(toSignificant(perMinute, 3))} a minute`;
  const [first = '', ...rest] = entries(route as PlainObject, '    ');
  return [
    '',
    comment(`${ecosystem ?? `payloads of your own, ${String(route.codec ?? route.preset)}`}: `, [
      `${counted(messages, 'message')} on ${counted(topics, 'topic')}${rate}`,
    ]),
    ...(devices.length === 0 ? [] : [comment(`  ${counted(devices.length, 'device')}: `, devices)]),
    ...(metrics.length === 0 ? [] : [comment('  ', metrics.map(metricText))]),
    ...hints.flatMap(hintLines),
    `  - ${first.trimStart()}`,
    ...rest,
  ];
}

function metricText({ name, unit, min, max }: LearnedMetric): string {
  const range = min === max ? formatNumber(min) : `${formatNumber(min)}…${formatNumber(max)}`;
  return `${name} ${range}${unit === undefined ? '' : ` ${unit}`}`;
}

/** Comments for the operator are never truncated. */
function hintLines(hint: string): string[] {
  const lines: string[] = [];
  for (const word of plainText(hint).split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line, at) => `  #   ${at === 0 ? '!' : ' '} ${line}`);
}

/** One line of a comment; text from the network cannot leave it. */
function comment(start: string, items: readonly string[]): string {
  const shown = items.slice(0, MANY).map((item) => plainText(item).slice(0, WIDTH));
  const more = items.length > shown.length ? ` and ${items.length - shown.length} more` : '';
  return `  # ${start}${shown.join(', ')}${more}`;
}

function reasonLines(title: string, reasons: readonly Reason[]): string[] {
  if (reasons.length === 0) return [];
  return [
    `# ${title}`,
    ...reasons.map(({ reason, messages, topics, examples }) => {
      const where =
        topics === 0 ? '' : ` on ${counted(topics, 'topic')}: ${examples.map(plainText).join(', ')}`;
      const more = topics > examples.length && examples.length > 0 ? ', …' : '';
      return `#   ${reason}: ${counted(messages, 'message')}${where}${more}`;
    }),
  ];
}

function entries(object: PlainObject, indent: string): string[] {
  return Object.entries(object).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (!Array.isArray(value)) return [`${indent}${scalar(key)}: ${flow(value)}`];
    const list = (value as unknown[]).map((item) => `${indent}  - ${flow(item)}`);
    return [`${indent}${scalar(key)}:`, ...list];
  });
}

function flow(value: unknown): string {
  if (typeof value !== 'object' || value === null) return scalar(value);
  if (Array.isArray(value)) return `[${(value as unknown[]).map(flow).join(', ')}]`;
  const pairs = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{ ${pairs.map(([key, one]) => `${scalar(key)}: ${flow(one)}`).join(', ')} }`;
}

// What YAML reads as text without quotes, whatever stands around it.
const PLAIN = /^[A-Za-z/][\w./-]*(?::\/\/[\w./:-]+)?$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** JSON's strings are YAML's; what a terminal or an editor would act on is written out. */
function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  if (PLAIN.test(value) && !WORDS.test(value)) return value;
  return JSON.stringify(value).replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
