import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

/** The verifier that a server stores for SCRAM-SHA-256 (RFC 5802, RFC 7677). */
export interface ScramVerifier {
  readonly salt: string;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** PostgreSQL's own number. The password is random, so more would protect nothing. */
const ITERATIONS = 4096;
const NONCE_BYTES = 18;

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const hash = (data: Buffer) => createHash('sha256').update(data).digest();

export function scramVerifier(password: string): ScramVerifier {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  return {
    salt: salt.toString('base64'),
    storedKey: hash(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
  };
}

/** The server's side of one login, without channel binding (there is no TLS on the loopback). */
export class ScramExchange {
  readonly #verifier: ScramVerifier;
  #header = '';
  #clientFirst = '';
  #serverFirst = '';
  #nonce = '';

  constructor(verifier: ScramVerifier) {
    this.#verifier = verifier;
  }

  /** @returns the server's first message, or undefined where the client's does not follow the protocol. */
  challenge(clientFirst: string): string | undefined {
    // The name inside is ignored, as PostgreSQL does: the startup packet has it.
    const parts = /^([ny],(?:a=[^,]*)?,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+))$/.exec(clientFirst);
    if (parts === null) return undefined;
    [, this.#header, this.#clientFirst] = parts as unknown as [string, string, string];
    this.#nonce = `${parts[3]}${randomBytes(NONCE_BYTES).toString('base64')}`;
    this.#serverFirst = `r=${this.#nonce},s=${this.#verifier.salt},i=${ITERATIONS}`;
    return this.#serverFirst;
  }

  /** @returns the server's final message, or undefined where the client does not know the password. */
  verify(clientFinal: string): string | undefined {
    const parts = /^(c=([^,]*),r=([^,]*)),p=([^,]*)$/.exec(clientFinal);
    if (parts === null) return undefined;
    const [, withoutProof, binding, nonce, proofText] = parts as unknown as string[];
    const expectedBinding = Buffer.from(this.#header).toString('base64');
    if (this.#nonce === '' || nonce !== this.#nonce || binding !== expectedBinding) return undefined;
    const transcript = `${this.#clientFirst},${this.#serverFirst},${withoutProof}`;
    const { storedKey, serverKey } = this.#verifier;
    const signature = hmac(storedKey, transcript);
    const proof = Buffer.from(proofText!, 'base64');
    if (proof.length !== signature.length) return undefined;
    const clientKey = Buffer.from(proof.map((byte, i) => byte ^ signature[i]!));
    if (!timingSafeEqual(hash(clientKey), storedKey)) return undefined;
    return `v=${hmac(serverKey, transcript).toString('base64')}`;
  }
}
