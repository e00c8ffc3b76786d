/** Processor time since `start`: the machine may be busy with something else. */
export function cpuMs(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Of several runs the one that the machine disturbed least. */
export function leastCpuMs(runs: number, work: () => void): number {
  return Math.min(
    ...Array.from({ length: runs }, () => {
      const start = process.cpuUsage();
      work();
      return cpuMs(start);
    }),
  );
}
