export { frameToIpc, loadFrame, saveFrame } from './library/frame.ts';
export type * from './library/frame-types.ts';
