import { WEEKDAYS } from '../../core/alert/rules/config.ts';
import * as z from '../../core/schema/zod.ts';
import { parseWindow } from '../../core/alert/suppress/maintenance.ts';
import { LABELS, labelFault } from '../../core/alert/suppress/matcher.ts';
import { section, text, timezone } from '../../core/schema/fields.ts';

const label = text('label').superRefine((name, context) => {
  const fault = labelFault(name);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

/** Label -> pattern. */
export const matchers = (description: string) =>
  z
    .record(z.string(), text('pattern; * is any text, ? one character').max(256))
    .superRefine((given, context) => {
      for (const name of Object.keys(given)) {
        const fault = labelFault(name);
        if (fault !== undefined) context.addIssue({ code: 'custom', path: [name], message: fault });
      }
    })
    .describe(
      `${description}: ${LABELS.join(', ')}, or the name of a tag written name=value; * in a value is any text`,
    );

/** Matchers that pick something: an empty set would fit everything by accident. */
export const someMatchers = (description: string) =>
  matchers(description).refine((given) => Object.keys(given).length > 0, {
    error: 'needs at least one matcher; sensor: "*" is everything',
  });

export const weekdays = z
  .array(z.enum(WEEKDAYS))
  .min(1)
  .default([...WEEKDAYS])
  .describe('the days on which it begins: mon, tue, wed, thu, fri, sat, sun');

export const window = text(
  'from and until on the wall clock, such as 22:00-06:00; 24:00 is the end of the day',
).refine((given) => parseWindow(given) !== undefined, { error: 'is no window; write it like 22:00-06:00' });

export const maintenance = section(
  {
    match: matchers('the alerts it is about; {} is all of them'),
    window,
    tz: timezone('time zone by its IANA name, such as Europe/Berlin').default('UTC'),
    days: weekdays,
  },
  'a window without notifications that recurs by the wall clock',
).refine((given) => !neverEnds(given), {
  error: 'never ends: a window of the whole day must leave out a day of the week',
  path: ['window'],
});

function neverEnds(given: { readonly window: string; readonly days: readonly string[] }): boolean {
  const parsed = parseWindow(given.window);
  return parsed !== undefined && parsed.start === parsed.end && new Set(given.days).size === WEEKDAYS.length;
}

export const inhibit = section(
  {
    source: someMatchers('alerts that explain others'),
    target: matchers('alerts that are not notified while a source is open; {} is all of them'),
    equal: z
      .array(label)
      .max(20)
      .default([])
      .describe('labels that source and target must both have, with the same value'),
  },
  'alerts that are explained by another one',
);
