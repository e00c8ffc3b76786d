import { resolve } from 'node:path';
import { isLocked } from '../../embedded/folder-lock.ts';

/** The default of `embedded.data_dir`, beside which the demo has a folder of its own. */
const DEFAULT_FOLDER = './data';
const DEMO_FOLDER = './data/demo';

/** Invented sensors must not lie among those of the user: unless another folder is named, the demo has its own. */
export const demoFolderFor = (dataDir: string): string =>
  dataDir === DEFAULT_FOLDER ? DEMO_FOLDER : dataDir;

/** Whether a folder is the demo's own, by default or by its name. */
export const isDemoFolder = (dataDir: string): boolean => resolve(dataDir) === resolve(DEMO_FOLDER);

/** The folder whose database runs: that of the configuration, or the demo's while it is the demo that runs. */
export const runningFolder = (dataDir: string): string =>
  !isLocked(dataDir) && isLocked(demoFolderFor(dataDir)) ? demoFolderFor(dataDir) : dataDir;
