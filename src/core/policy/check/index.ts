import type { PolicyCheck } from '../check.ts';
import { policiesCheck } from './policies.ts';
import { relationsCheck } from './relations.ts';
import { serverCheck } from './server.ts';

/** Every check, in the order of reports: causes before what follows from them. A new check is one file and one line. */
export const CHECKS: readonly PolicyCheck[] = [serverCheck, relationsCheck, policiesCheck];
