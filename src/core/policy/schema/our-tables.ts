import { EXPECTED_SCHEMA } from './expected-schema.ts';

/** Everything that sql/ creates and the program writes or reads. */
export const OUR_TABLES: readonly string[] = Object.keys(EXPECTED_SCHEMA.relations);
