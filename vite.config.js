import { defineConfig } from 'vite';

/** Where `npm run web:dev` finds the API: a daemon, or `npm run demo`. */
const DAEMON = 'http://127.0.0.1:9464';

export default defineConfig({
  root: 'src/web',
  // Relative to index.html, whose <base> the daemon sets to its base path.
  base: './',
  cacheDir: '../../node_modules/.cache/vite',
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    target: ['chrome123', 'firefox120', 'safari17.5'],
    sourcemap: false,
    // Under the content security policy of the page an asset in a data: URL would be refused.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': { target: DAEMON, changeOrigin: true } } },
});
