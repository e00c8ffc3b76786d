// A payload format of one's own: registered once, routes name it like any other, also in a daemon that this program runs.
// npm run example custom-codec
import { fileURLToPath } from 'node:url';
import { type Daemon, decode, parseConfig, registerCodec, startDaemon } from 'fieldwatch';

/** Two bytes of temperature in hundredths of a degree, one of humidity, one of battery: `09 29 3C 5A`. */
registerCodec({
  name: 'acme-frame',
  summary: 'frame of an Acme sensor: int16 temperature, uint8 humidity, uint8 battery',
  decode: (payload) => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    return { temperature: view.getInt16(0) / 100, humidity: view.getUint8(2), battery: view.getUint8(3) };
  },
});

export const ROUTE = { topic: 'acme/{location}/{device}', codec: 'acme-frame' };

export const decoded = decode(ROUTE, {
  topic: 'acme/attic/a7',
  payload: Uint8Array.of(0x09, 0x29, 0x3c, 0x5a),
});

/** A daemon whose route has the format. */
export const run = (settings: Readonly<Record<string, unknown>>): Promise<Daemon> =>
  startDaemon(parseConfig(JSON.stringify({ ...settings, routes: [ROUTE] })));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(decoded.readings[0]?.metrics);
  const daemon = await run({ embedded: { data_dir: './data/example' } });
  console.log(`publish frames to ${daemon.mqttUrl}, topic acme/attic/a7`);
  process.once('SIGINT', () => void daemon.stop());
}
