import type { Frame } from '../core/frame/frame.ts';

/** Where bytes go; resolves when more may come. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;

/** Writes frames of the same columns as one file. */
export interface FrameWriter {
  write(frame: Frame): Promise<void>;
  /** Writes what belongs at the end. */
  finish(): Promise<void>;
}
