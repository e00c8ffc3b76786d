import { OUR_TABLES } from '../schema/our-tables.ts';

/** Patterns that delete rows, in the text of a function or procedure. */
const DELETES = '\\m(delete\\s+from|truncate|drop_chunks|drop\\s+table)\\M';

/** Patterns that delete rows or decompress chunks. */
export const UNDOES = `${DELETES}|\\m(decompress_chunk|convert_to_rowstore)\\M`;

/** Patterns that delete from a table that the text does not name: by a variable, or in dynamic SQL. */
export const DELETES_SOME =
  `\\mdrop_chunks\\s*[(]\\s*(relation\\s*=>\\s*)?('*%|[^'\\s)])` +
  `|\\m(delete\\s+from|truncate(\\s+table)?|drop\\s+table(\\s+if\\s+exists)?)(\\s+only)?\\s+"?(%|'\\s*[|]{2})`;

/** The tables by name; not those of another schema. */
export const namesOfOurs = (schema: string): string => {
  const here = `"?${schema.replace(/[^a-z0-9_]/gi, '.')}"?\\.`;
  return `(^|[^.\\w"]|[^.\\w]")(${here})?"?(only\\s+)?(${OUR_TABLES.join('|')})\\M(?!\\.)`;
};

/** All existing tables, or a chunk. */
const ALL = '\\mhypertables?\\M|_hyper_[0-9]+';

/** The patterns that `deletesOurs` takes as its parameters. */
export const deletingPatterns = (schema: string): readonly [deletes: string, ours: string] => [
  DELETES,
  `${namesOfOurs(schema)}|${ALL}`,
];

/**
 * SQL: a text (a body and its arguments) deletes rows and names one of our tables. A body can hide both; one that
 * deletes and names its table by a parameter is found by its configuration.
 */
export const deletesOurs = (text: string, deletes: string, ours: string): string =>
  `(${text} ~* ${deletes} AND ${text} ~* ${ours})`;
