import { de } from './de.ts';
import { en } from './en.ts';
import { es } from './es.ts';
import type { Language } from './language.ts';

/** The languages of texts. A new one is one file and a line here. */
export const LANGUAGES = { en, de, es } as const satisfies Readonly<Record<string, Language>>;

export type LanguageName = keyof typeof LANGUAGES;
export const LANGUAGE_NAMES = Object.keys(LANGUAGES) as readonly LanguageName[] as readonly [
  LanguageName,
  ...LanguageName[],
];
