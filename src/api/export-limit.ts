/** How many exports may run at the same time. */
const MOST = 4;

/** Each holds a few thousand rows, for as long as its client takes to read them. */
export class ExportLimit {
  #running = 0;

  /** Releases the slot, once; undefined: all slots are taken. */
  take(): (() => void) | undefined {
    if (this.#running >= MOST) return undefined;
    this.#running += 1;
    let held = true;
    return () => {
      if (held) this.#running -= 1;
      held = false;
    };
  }
}
