// Writes dist/build.json, last of all: what distinguishes one build from another, whatever the version in package.json says. In a
// checkout that is the commit; elsewhere (an image, an unpacked archive) a hash of the sources. `inputs` says what it is made of.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashOfInputs } from './inputs.js';

const root = realpathSync(join(import.meta.dirname, '..'));
const SOURCES = ['src', 'sql'];

const git = (...args) =>
  execFileSync('git', ['-C', root, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

function commit() {
  try {
    // A package unpacked inside some other repository has that one's commits.
    if (realpathSync(git('rev-parse', '--show-toplevel')) !== root) return undefined;
    const changed = git('status', '--porcelain', '--', ...SOURCES, 'package-lock.json') !== '';
    return `g${git('rev-parse', '--short=10', 'HEAD')}${changed ? '.dirty' : ''}`;
  } catch {
    return undefined;
  }
}

function hash() {
  const sum = createHash('sha256');
  for (const folder of SOURCES)
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort())
      if (/\.(tsx?|css|html|sql)$/.test(file))
        sum.update(`${file}\0`).update(readFileSync(join(root, folder, file)));
  return `h${sum.digest('hex').slice(0, 10)}`;
}

// So that a link to it is a command; npm does the same for the links that it makes.
chmodSync(join(root, 'dist', 'main.js'), 0o755);
writeFileSync(
  join(root, 'dist', 'build.json'),
  `${JSON.stringify({ build: commit() ?? hash(), inputs: hashOfInputs() })}\n`,
);
