import { expect } from '@jest/globals';

const isMetrics = (value) => value?.constructor?.name === 'MetricValues';

/** Metrics of a reading are equal to others, and to a Map, by what they hold: their fields are private. */
expect.addEqualityTesters([
  function (a, b, testers) {
    if (!isMetrics(a) && !isMetrics(b)) return undefined;
    const isMap = (value) => isMetrics(value) || value instanceof Map;
    return isMap(a) && isMap(b) && this.equals(new Map(a), new Map(b), testers);
  },
]);
