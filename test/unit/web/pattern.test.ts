import { expect, test } from '@jest/globals';
import { globMatches } from '../../../src/core/glob.ts';
import { patternOf } from '../../../src/web/components/pattern.ts';

test.each(['freezer-1', 'a*b', 'what?', '[x]\\y', '**'])(
  'the silence of %p matches it, and few others',
  (key) => {
    expect(globMatches(patternOf(key), key)).toBe(true);
    expect(globMatches(patternOf(key), `${key}-2`)).toBe(false);
  },
);
