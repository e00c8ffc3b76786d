import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import mqttPacket, { type IConnackPacket, type ISubscribePacket, type Packet } from 'mqtt-packet';

export interface BrokerScript {
  /** Properties of the CONNACK, or a reason code with which it refuses. */
  readonly connack?: (attempt: number, packet: Packet) => Partial<IConnackPacket> | 'hang-up';
  /** Codes of the SUBACK; undefined ends the connection, as brokers of the cloud do. */
  /** How many copies of a publish come back to the connection that subscribed to `filters`. */
  readonly echoes?: (topic: string, filters: readonly string[]) => number;
  /** Reason code of the PUBACK for a topic. */
  readonly puback?: (topic: string) => number | 'hang-up' | 'silence';
  readonly subscribe?: (filters: readonly string[]) => readonly number[] | 'reset' | undefined;
}

/** A broker with scripted behaviour that no installed broker has. It supports MQTT 5 and 3.1.1. */
export class ScriptedBroker {
  readonly #server: Server;
  readonly #script: BrokerScript;
  readonly #sockets = new Set<Socket>();
  /** Every packet that arrived, in order. */
  readonly packets: Packet[] = [];
  connections = 0;

  private constructor(script: BrokerScript) {
    this.#script = script;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(script: BrokerScript): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(script);
    broker.#server.listen(0, '127.0.0.1');
    await once(broker.#server, 'listening');
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of<C extends Packet['cmd']>(cmd: C): Extract<Packet, { cmd: C }>[] {
    return this.packets.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd);
  }

  /** Sends a packet on every open connection. */
  send(packet: Packet, protocolVersion: 4 | 5 = 5): void {
    for (const socket of this.#sockets) socket.write(mqttPacket.generate(packet, { protocolVersion }));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    this.connections++;
    const attempt = this.connections;
    const parser = mqttPacket.parser({ protocolVersion: 5 });
    let version: 4 | 5 = 5;
    const own: string[] = [];
    const reply = (packet: Packet) => socket.write(mqttPacket.generate(packet, { protocolVersion: version }));
    parser.on('packet', (packet: Packet) => {
      this.packets.push(packet);
      if (packet.cmd === 'subscribe') own.push(...packet.subscriptions.map(({ topic }) => topic));
      const echoes = packet.cmd === 'publish' ? (this.#script.echoes?.(packet.topic, own) ?? 0) : 0;
      for (let n = 0; n < echoes && packet.cmd === 'publish'; n++) {
        const { topic, payload } = packet;
        reply({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
      }
      if (packet.cmd === 'connect') {
        version = packet.protocolVersion === 5 ? 5 : 4;
        const said = this.#script.connack?.(attempt, packet) ?? {};
        if (said === 'hang-up') {
          socket.destroy();
          return;
        }
        reply({ cmd: 'connack', sessionPresent: false, reasonCode: 0, returnCode: 0, ...said });
        if ((said.reasonCode ?? 0) > 0) socket.end();
      } else if (packet.cmd === 'subscribe') this.#answer(socket, packet, reply);
      else if (packet.cmd === 'unsubscribe') {
        reply({
          cmd: 'unsuback',
          messageId: packet.messageId,
          granted: packet.unsubscriptions.map(() => 0),
        } as Packet);
      } else if (packet.cmd === 'publish' && packet.qos === 1) {
        const said = this.#script.puback?.(packet.topic) ?? 0;
        if (said === 'hang-up') socket.destroy();
        else if (said !== 'silence')
          reply({ cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode: said });
      } else if (packet.cmd === 'pingreq') reply({ cmd: 'pingresp' });
    });
    socket.on('data', (bytes) => parser.parse(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #answer(socket: Socket, packet: ISubscribePacket, reply: (packet: Packet) => void): void {
    const filters = packet.subscriptions.map(({ topic }) => topic);
    const granted =
      this.#script.subscribe === undefined ? filters.map(() => 1) : this.#script.subscribe(filters);
    if (granted === undefined) socket.destroy();
    else if (granted === 'reset') socket.resetAndDestroy();
    else reply({ cmd: 'suback', messageId: packet.messageId, granted: [...granted] } as Packet);
  }
}
