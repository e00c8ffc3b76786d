const MOST_LINES = 40;

/** At the end of a run: how many tests were skipped, and in which suites, whose names say why. */
export default class SkippedReporter {
  onRunComplete(_contexts, { testResults, numPendingTests }) {
    if (numPendingTests === 0) return;
    const counts = new Map();
    for (const { testFilePath, testResults: tests } of testResults)
      for (const { status, ancestorTitles, title } of tests) {
        if (status !== 'pending') continue;
        const reason = [...ancestorTitles, title].find((name) => REASON.test(name));
        const key = `${testFilePath.replace(/^.*\/test\//, '')}: ${reason ?? ancestorTitles.join(' > ')}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    const lines = [...counts].map(([key, count]) => `  ${count} in ${key}`);
    const more = lines.length > MOST_LINES ? [`  and ${lines.length - MOST_LINES} more suites`] : [];
    process.stderr.write(
      `\n${numPendingTests} tests were skipped:\n${[...lines.slice(0, MOST_LINES), ...more].join('\n')}\n`,
    );
  }
}

const REASON = /\((needs .*|nightly|embedded server only)\)/;
