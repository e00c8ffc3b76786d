import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ScramExchange, scramVerifier } from '../../../src/embedded/gateway/scram.ts';

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** A client by the book (RFC 5802): what it sends last, and what it expects of the server. */
function client(password: string, serverFirst: string, header = 'n,,') {
  const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(.*)$/.exec(serverFirst) as unknown as string[];
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${Buffer.from(header).toString('base64')},r=${nonce}`;
  const transcript = `n=,r=abc,${serverFirst},${withoutProof}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), transcript);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString('base64');
  const expected = `v=${hmac(hmac(salted, 'Server Key'), transcript).toString('base64')}`;
  return { nonce, withoutProof, final: `${withoutProof},p=${proof}`, expected };
}

const verifier = scramVerifier('right');

describe('SCRAM-SHA-256, the server side', () => {
  test.each(['n,,', 'y,,'])(
    'a client that knows the password is let in, and learns that the server does (%s)',
    (header) => {
      const exchange = new ScramExchange(verifier);
      const { final, expected } = client('right', exchange.challenge(`${header}n=,r=abc`)!, header);
      expect(exchange.verify(final)).toBe(expected);
    },
  );

  test('another password is refused', () => {
    const exchange = new ScramExchange(verifier);
    expect(exchange.verify(client('wrong', exchange.challenge('n,,n=,r=abc')!).final)).toBeUndefined();
  });

  test('an answer to another challenge is refused: nothing that was recorded can be replayed', () => {
    const first = new ScramExchange(verifier);
    const { final } = client('right', first.challenge('n,,n=,r=abc')!);
    const second = new ScramExchange(verifier);
    second.challenge('n,,n=,r=abc');
    expect(second.verify(final)).toBeUndefined();
    expect(new ScramExchange(verifier).verify(final)).toBeUndefined();
  });

  test('what is not the protocol is refused', () => {
    for (const first of ['', 'n,,', 'p=tls-unique,,n=,r=abc', 'n,,n=,r=', 'n,,n=x', 'n,,m=1,n=,r=abc'])
      expect(new ScramExchange(verifier).challenge(first)).toBeUndefined();
    const exchange = new ScramExchange(verifier);
    const { withoutProof, nonce } = client('right', exchange.challenge('n,,n=,r=abc')!);
    for (const final of [
      '',
      withoutProof,
      `${withoutProof},p=`,
      `${withoutProof},p=AAAA`,
      `c=eSws,r=${nonce},p=AAAA`,
    ])
      expect(exchange.verify(final)).toBeUndefined();
  });
});
