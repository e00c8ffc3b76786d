import { ndjsonOf } from '../../core/frame/ndjson.ts';
import type { FrameWriter, WriteBytes } from '../../ports/frame.ts';

/** One line of JSON a row. */
export const createNdjsonWriter = (writeBytes: WriteBytes): FrameWriter => ({
  write: (frame) => writeBytes(Buffer.from(ndjsonOf(frame))),
  finish: () => Promise.resolve(),
});
