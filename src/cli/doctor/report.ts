/** `skipped`: could not be looked at, and that is no fault. `note`: worth knowing, nothing to do at once. */
export type Status = 'ok' | 'note' | 'skipped' | 'warning' | 'fault';

/** One thing that was looked at. */
export interface Diagnosis {
  readonly area: 'broker' | 'database' | 'schema' | 'policies' | 'alerts' | 'disk' | 'daemon' | 'notify';
  readonly subject: string;
  readonly status: Status;
  readonly detail: string;
  /** What to do about a fault or a warning. */
  readonly remedy?: string;
}

type Said = Omit<Diagnosis, 'area' | 'status'>;

/** Diagnoses of one area, without repeating its name. */
export const areaOf = (area: Diagnosis['area']) => ({
  ok: (subject: string, detail: string): Diagnosis => ({ area, status: 'ok', subject, detail }),
  note: (subject: string, detail: string): Diagnosis => ({ area, status: 'note', subject, detail }),
  skipped: (subject: string, detail: string): Diagnosis => ({ area, status: 'skipped', subject, detail }),
  warning: (said: Said & { readonly remedy: string }): Diagnosis => ({ area, status: 'warning', ...said }),
  fault: (said: Said & { readonly remedy: string }): Diagnosis => ({ area, status: 'fault', ...said }),
});

export const isFault = ({ status }: Diagnosis): boolean => status === 'fault';
