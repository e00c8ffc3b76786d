import type { TLSSocket } from 'node:tls';
import type { IConnackPacket } from 'mqtt';
import type { Failure } from './failure.ts';

/** Facts that one broker address reports about itself. Undefined means that the broker did not say. */
export interface BrokerFacts {
  readonly url: string;
  /** A transport connection came about: TCP, and TLS or the WebSocket upgrade where the address asks for it. */
  readonly reachable: boolean;
  /** The protocol version that was accepted; undefined when none was. */
  readonly protocolVersion: 4 | 5 | undefined;
  /** Why there is no accepted connection. */
  readonly failure: Failure | undefined;
  readonly authFailed: boolean;
  /** From the CONNACK (MQTT 5 only), with the defaults that the specification gives to what is absent (3.2.2.3). */
  readonly server: ServerLimits | undefined;
  readonly tls: TlsFacts | undefined;
  readonly clientCertificateDaysLeft: number | undefined;
}

export interface ServerLimits {
  /** For what we publish; it does not limit what the broker sends. */
  readonly receiveMaximum: number;
  readonly maximumQos: number;
  readonly retainAvailable: boolean;
  readonly maximumPacketSize: number | undefined;
  readonly wildcardSubscriptionAvailable: boolean;
  readonly sharedSubscriptionAvailable: boolean;
  readonly subscriptionIdentifiersAvailable: boolean;
  /** The broker requires this keepalive. */
  readonly keepaliveS: number | undefined;
  /** The broker shortens the session expiry to this. */
  readonly sessionExpiryS: number | undefined;
  readonly assignedClientId: string | undefined;
}

export interface TlsFacts {
  readonly protocol: string | undefined;
  readonly subject: string | undefined;
  /** Whole days until the broker's certificate expires; negative once it has. */
  readonly certificateDaysLeft: number | undefined;
}

export function serverLimits(connack: IConnackPacket | undefined): ServerLimits {
  const said = connack?.properties ?? {};
  return {
    receiveMaximum: said.receiveMaximum ?? 65_535,
    maximumQos: said.maximumQoS ?? 2,
    retainAvailable: said.retainAvailable ?? true,
    maximumPacketSize: said.maximumPacketSize,
    wildcardSubscriptionAvailable: said.wildcardSubscriptionAvailable ?? true,
    sharedSubscriptionAvailable: said.sharedSubscriptionAvailable ?? true,
    subscriptionIdentifiersAvailable: said.subscriptionIdentifiersAvailable ?? true,
    keepaliveS: said.serverKeepAlive,
    sessionExpiryS: said.sessionExpiryInterval,
    assignedClientId: said.assignedClientIdentifier,
  };
}

export function tlsFacts(socket: TLSSocket, nowMs: number): TlsFacts {
  const certificate = socket.getPeerX509Certificate();
  return {
    protocol: socket.getProtocol() ?? undefined,
    subject: certificate?.subject,
    certificateDaysLeft: certificate === undefined ? undefined : daysUntil(certificate.validTo, nowMs),
  };
}

export function daysUntil(date: string, nowMs: number): number {
  return Math.floor((Date.parse(date) - nowMs) / 86_400_000);
}
