import type { EventData, EventName } from '../../api/contract/events.ts';

type Listener<Name extends EventName> = (data: EventData<Name>) => void;

/** Who wants to know of which events of the daemon. */
export class Bus {
  readonly #listeners = new Map<string, Set<(data: never) => void>>();

  /** Returns what ends it. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void {
    let set = this.#listeners.get(name);
    if (set === undefined) this.#listeners.set(name, (set = new Set()));
    set.add(listener);
    return () => set.delete(listener);
  }

  emit(name: string, data: unknown): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(data as never);
  }
}
