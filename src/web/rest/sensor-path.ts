/** The path of a sensor: its key may hold anything. A browser takes `.` and `..` out of a path, also where they are escaped once. */
export const sensorPath = (key: string): string =>
  `sensors/${encodeURIComponent(/^\.{1,2}$/.test(key) ? key.replaceAll('.', '%2E') : key)}`;
