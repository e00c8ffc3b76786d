const SECOND_US = 1_000_000;

/** ISO 8601 in UTC with microseconds: `2026-01-31T12:00:00.500000Z`. Times of neighbouring rows mostly share their second. */
export function isoTimes(values: BigInt64Array): (row: number) => string {
  let second = NaN;
  let prefix = '';
  return (row) => {
    const us = Number(values[row]);
    const own = Math.floor(us / SECOND_US);
    if (own !== second) {
      second = own;
      prefix = `${new Date(own * 1000).toISOString().slice(0, 19)}.`;
    }
    return `${prefix}${String(us - own * SECOND_US).padStart(6, '0')}Z`;
  };
}
