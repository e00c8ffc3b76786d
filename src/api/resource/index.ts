import type { AnyResource } from './resource.ts';
import { session } from './session.ts';
import { status } from './status.ts';

/** Every resource of the API. Server, document and the test of who may do what follow from this list. */
export const RESOURCES: readonly AnyResource[] = [status, ...session];
