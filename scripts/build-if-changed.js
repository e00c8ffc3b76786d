// `npm run build`, unless dist/ is made of these inputs already: `npm ci` has built it a moment ago.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashOfInputs } from './inputs.js';

const root = join(import.meta.dirname, '..');

function builtOf() {
  try {
    return JSON.parse(readFileSync(join(root, 'dist/build.json'), 'utf8')).inputs;
  } catch {
    return undefined;
  }
}

// The commit may be another one.
const step = builtOf() === hashOfInputs() ? ['node', 'scripts/build-info.js'] : ['npm', 'run', 'build'];
process.exitCode = spawnSync(step[0], step.slice(1), { cwd: root, stdio: 'inherit' }).status ?? 1;
