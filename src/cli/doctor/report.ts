/** `skipped`: could not be checked, which is no fault. `note`: information, no action required now. */
export type Status = 'ok' | 'note' | 'skipped' | 'warning' | 'fault';

/** The result of one check. */
export interface Diagnosis {
  readonly area: 'broker' | 'database' | 'schema' | 'policies' | 'alerts' | 'disk' | 'daemon' | 'notify';
  readonly subject: string;
  readonly status: Status;
  readonly detail: string;
  /** The remedy of a fault or a warning. */
  readonly remedy?: string;
}

type Problem = Omit<Diagnosis, 'area' | 'status'> & { readonly remedy: string };

/** Diagnoses of one area, without repeating its name. */
export const areaOf = (area: Diagnosis['area']) => ({
  ok: (subject: string, detail: string): Diagnosis => ({ area, status: 'ok', subject, detail }),
  note: (subject: string, detail: string): Diagnosis => ({ area, status: 'note', subject, detail }),
  skipped: (subject: string, detail: string): Diagnosis => ({ area, status: 'skipped', subject, detail }),
  warning: (problem: Problem): Diagnosis => ({ area, status: 'warning', ...problem }),
  fault: (problem: Problem): Diagnosis => ({ area, status: 'fault', ...problem }),
});

export const isFault = ({ status }: Diagnosis): boolean => status === 'fault';
