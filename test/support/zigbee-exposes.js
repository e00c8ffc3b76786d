// Prints the metrics that zigbee-herdsman-converters exposes for the given models: node zigbee-exposes.js vendor/model ...
// A process of its own: the package is CommonJS of some size, which the test runner's module loader need not carry.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { prepareDefinition } = require('zigbee-herdsman-converters');
const DUMMY = { isDummyDevice: true };
const PUBLISHED = 1;

const models = process.argv.slice(2).map((name) => {
  const [vendor, model] = name.split('/');
  const { definitions } = require(`zigbee-herdsman-converters/devices/${vendor}`);
  const definition = definitions.find((one) => one.model === model);
  if (definition === undefined) throw new Error(`no model ${name}`);
  const { exposes } = prepareDefinition({ ...definition });
  const list = typeof exposes === 'function' ? exposes(DUMMY, {}) : exposes;
  const numeric = list.filter(({ type, access }) => type === 'numeric' && (access & PUBLISHED) !== 0);
  return { model, metrics: numeric.map(({ property, unit }) => ({ property, unit })) };
});
process.stdout.write(JSON.stringify(models));
