import { duration } from './common.ts';
import { ordered, section } from './fields.ts';

/** Jittered waits between attempts: the bounds of the setting, and its default. */
export const backoff = (
  waits: {
    readonly least: string;
    readonly mostAtFirst: string;
    readonly first: string;
    readonly every: string;
  },
  description: string,
) => {
  const { least, mostAtFirst, first, every } = waits;
  const bounds = {
    min: duration({ min: least, max: mostAtFirst })
      .prefault(first)
      .describe('bound of the first wait; it doubles with each attempt'),
    max: duration({ min: least, max: '1h' }).prefault(every).describe('bound of every wait'),
  };
  const fault = { path: ['min'], error: 'must not be longer than max' };
  return ordered(section(bounds, description), ['min'], ['max'], fault);
};
