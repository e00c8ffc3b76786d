import {
  MSG,
  PgError,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
} from './backend.ts';
import { ScramExchange, type ScramVerifier } from './scram.ts';

const MECHANISM = 'SCRAM-SHA-256';

/** The messages between the startup packet and AuthenticationOk. */
export class Login {
  readonly #exchange: ScramExchange;
  readonly #user: string;
  readonly #hint: string;
  #challenged = false;

  /** @param hint where the password is found: part of each refusal. */
  constructor(verifier: ScramVerifier, user: string, hint: string) {
    this.#exchange = new ScramExchange(verifier);
    this.#user = user;
    this.#hint = hint;
  }

  /** The message that asks the client to authenticate. */
  request(): Buffer {
    return authenticationSasl([MECHANISM]);
  }

  /** @returns the answer to one message of the client, and whether it is logged in now. Throws 28P01. */
  answer(type: number, raw: Buffer): { readonly message: Buffer; readonly done: boolean } {
    if (type !== MSG.Password) throw violation('expected a SASL response');
    if (this.#challenged) {
      const final = this.#exchange.verify(raw.toString('latin1', 5));
      if (final === undefined) throw this.#refused();
      return { message: authenticationSaslFinal(final), done: true };
    }
    this.#challenged = true;
    const challenge = this.#exchange.challenge(initialResponse(raw));
    if (challenge === undefined) throw violation('malformed SCRAM message');
    return { message: authenticationSaslContinue(challenge), done: false };
  }

  #refused(): PgError {
    const message = `password authentication failed for user "${this.#user}"`;
    return new PgError({ code: '28P01', message, hint: this.#hint });
  }
}

/** SASLInitialResponse: the mechanism, the length of the data, the data. */
function initialResponse(raw: Buffer): string {
  const end = raw.indexOf(0, 5);
  if (end < 0 || raw.toString('latin1', 5, end) !== MECHANISM)
    throw violation('the client selected an invalid SASL authentication mechanism');
  return raw.toString('latin1', end + 5);
}

const violation = (message: string) => new PgError({ code: '08P01', message });
