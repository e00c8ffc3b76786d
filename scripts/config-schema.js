// Writes what follows from the configuration schema: config/fieldwatch.schema.json, and the tables of
// docs/configuration.md between their markers. A unit test fails when either is stale. Run: npm run config:schema
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { jsonSchema } from '../dist/config/json-schema.js';
import { referenceTables } from '../dist/config/reference.js';

const root = new URL('..', import.meta.url);
const json = await format(JSON.stringify(jsonSchema()), { parser: 'json', printWidth: 110 });
writeFileSync(new URL('config/fieldwatch.schema.json', root), json);

const page = new URL('docs/configuration.md', root);
const [begin, end] = ['<!-- keys: begin -->', '<!-- keys: end -->'];
const text = readFileSync(page, 'utf8');
const before = text.slice(0, text.indexOf(begin) + begin.length);
const after = text.slice(text.indexOf(end));
writeFileSync(page, `${before}\n\n${referenceTables()}\n${after}`);
