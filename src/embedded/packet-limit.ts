import type { Socket } from 'node:net';

/** Reads the lengths of MQTT packets (MQTT 3.1.1, 2.2.3) without keeping their bytes. */
export class PacketMeter {
  /** Bytes of the arriving packet: so far, and still to come. */
  arrived = 0;
  #left = 0;
  #length = 0;
  #shift = -1;

  /** The announced length of the largest packet that begins in `chunk`, or that `chunk` goes on with. */
  read(chunk: Uint8Array): number {
    let largest = this.#length;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        at += taken;
        this.arrived += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#begin();
        continue;
      }
      const byte = chunk[at++] ?? 0;
      if (this.#shift < 0) this.#shift = 0;
      else {
        this.#length += (byte & 0x7f) * 2 ** this.#shift;
        this.#shift += 7;
        largest = Math.max(largest, this.#length);
        if ((byte & 0x80) !== 0 && this.#shift < 28) continue;
        this.#left = this.#length;
        if (this.#left === 0) this.#begin();
      }
    }
    return largest;
  }

  #begin(): void {
    this.arrived = 0;
    this.#length = 0;
    this.#shift = -1;
  }
}

/**
 * Ends connections whose packet is announced as larger than `maxPacket`, and those that would take what lies unfinished
 * in all above `maxUnfinished`: a parser keeps a packet until its last byte is there.
 */
export function limitPackets(limits: { readonly maxPacket: number; readonly maxUnfinished: number }) {
  let unfinished = 0;
  return (socket: Socket): void => {
    const meter = new PacketMeter();
    let mine = 0;
    const push = socket.push.bind(socket);
    // Before the stream buffers anything, and without a second reader of the socket.
    socket.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
      if (chunk === null) return push(chunk, encoding);
      const largest = meter.read(chunk);
      unfinished += meter.arrived - mine;
      mine = meter.arrived;
      if (largest <= limits.maxPacket && unfinished <= limits.maxUnfinished) return push(chunk, encoding);
      socket.destroy();
      return false;
    };
    socket.once('close', () => {
      unfinished -= mine;
      mine = 0;
    });
  };
}
