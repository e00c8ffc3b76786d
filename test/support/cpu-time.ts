/** Processor time since `start`: the machine may be busy with something else. */
export function cpuMs(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** CPU time of the run that the machine disturbed least, in milliseconds. */
export function leastCpuMs(runs: number, work: () => void): number {
  return Math.min(
    ...Array.from({ length: runs }, () => {
      const start = process.cpuUsage();
      work();
      return cpuMs(start);
    }),
  );
}
