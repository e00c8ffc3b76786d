import { config } from 'zod';

// Set before the first schema is built. The code that zod generates for each object pays after thousands of values; a
// configuration is parsed once.
config({ jitless: true });

/** To be imported as `import * as z`, so that a bundle holds only what is used. */
export * from 'zod';
