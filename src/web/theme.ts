import { Store } from './live/store.ts';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'fieldwatch.theme';
const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];

/** Light or dark: as the system has it, or as the reader has chosen. */
export class ThemeChoice {
  readonly theme: Store<Theme>;
  /** Rises when colours change: what is drawn on a canvas has to be drawn again. */
  readonly changes = new Store(0);

  constructor() {
    this.theme = new Store(read());
    this.#apply();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#changed());
  }

  next(): void {
    const { value } = this.theme;
    this.theme.set(THEMES[(THEMES.indexOf(value) + 1) % THEMES.length]!);
    try {
      localStorage.setItem(KEY, this.theme.value);
    } catch {
      // Without storage it holds for as long as the page is open.
    }
    this.#apply();
    this.#changed();
  }

  #apply(): void {
    const { value } = this.theme;
    if (value === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = value;
  }

  #changed(): void {
    this.changes.update((count) => count + 1);
  }
}

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === kept) ?? 'auto';
  } catch {
    return 'auto';
  }
}
