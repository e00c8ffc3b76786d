// node compile-ahead.js SCRIPT: writes the code that V8 has compiled of a script of dist/bundle/ once its commands have run, for processes with this
// one's NODE_OPTIONS.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { compiledFile, loadScript } from '../dist/lib/compiled-script.js';

/** A configuration with every section that is read and checked by code of its own. */
const SAMPLE = `
mqtt: { url: "mqtt://broker" }
database: { url: "postgres://fieldwatch@database/fieldwatch" }
routes: [{ topic: "s/{device}", codec: json, device: "{device}" }, { preset: zigbee2mqtt }]
alerts: { metrics: { temperature: { max: 30, for: 1m, no_data_after: 1h }, humidity: { min: 10, hysteresis: 2 } } }
notify: { sinks: [{ name: phone, kind: ntfy, topic: greenhouse }] }
`;

const file = resolve(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), 'fieldwatch-build-'));
let printed = '';
const print = process.stderr.write;
process.stdout.write = process.stderr.write = (text) => {
  printed += text;
  return true;
};
try {
  const config = join(folder, 'fieldwatch.yaml');
  writeFileSync(config, SAMPLE);
  const { exports, compiled } = loadScript(file);
  for (const command of ['check-config', 'print-config']) {
    const code = await exports.runProgram([process.execPath, 'fieldwatch', command, '-c', config], {});
    if (code !== 0) throw new Error(`fieldwatch ${command} of the sample: ${printed}`);
  }
  writeFileSync(compiledFile(file, process.env.NODE_OPTIONS), compiled());
} finally {
  process.stderr.write = print;
  rmSync(folder, { recursive: true });
}
