import { Store } from './live/store.ts';

export type ToastTone = 'ok' | 'info' | 'warning' | 'critical';

export interface Toast {
  readonly id: number;
  readonly tone: ToastTone;
  readonly text: string;
}

const SHOWN_MS = 8_000;
const MOST = 4;

/** Short messages about what was done or failed, which pass; failures stay until they are closed. */
export class Toasts {
  readonly list = new Store<readonly Toast[]>([]);
  #next = 1;

  show(tone: ToastTone, text: string): void {
    const id = this.#next++;
    this.list.update((list) => [...list, { id, tone, text }].slice(-MOST));
    if (tone !== 'critical') setTimeout(() => this.close(id), SHOWN_MS);
  }

  close(id: number): void {
    this.list.update((list) => list.filter((toast) => toast.id !== id));
  }
}
