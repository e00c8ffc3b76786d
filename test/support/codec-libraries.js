// In every test file: as the program does at its start.
import { registerCodecLibraries } from '../../src/lib/load-library.ts';

registerCodecLibraries();
