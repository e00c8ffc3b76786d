// The daemons of the bench in the form in which the program is shipped: single files take 10 MB more.
import { bundleModules, bundler } from './bundler.js';

const DAEMONS = ['drain-daemon', 'latency-daemon', 'scale-member', 'watched-daemon', 'soak/daemon'];

const esbuild = await bundler();
if (esbuild === undefined)
  process.stderr.write('bundle-bench: no esbuild here; the daemons run from single files\n');
else
  await bundleModules(
    esbuild,
    Object.fromEntries(DAEMONS.map((name) => [name, `bench/${name}.ts`])),
    'dist-bench/bench',
  );
