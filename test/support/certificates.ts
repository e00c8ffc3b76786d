import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A throw-away authority in a folder; `openssl` does the work. */
export class TestAuthority {
  readonly caFile: string;
  readonly #dir: string;
  readonly #keyFile: string;
  #serial = 1;

  private constructor(dir: string, name: string) {
    this.#dir = dir;
    this.caFile = join(dir, `${name}.pem`);
    this.#keyFile = join(dir, `${name}.key`);
  }

  static async create(dir: string, name = 'ca'): Promise<TestAuthority> {
    const authority = new TestAuthority(dir, name);
    await openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
      ...['-subj', `/CN=${name}`, '-keyout', authority.#keyFile, '-out', authority.caFile],
    );
    return authority;
  }

  /** A certificate for 127.0.0.1 and localhost, good for servers and clients. */
  async issue(name: string, days = 30): Promise<Certificate> {
    const base = join(this.#dir, name);
    const certFile = `${base}.pem`;
    const keyFile = `${base}.key`;
    await openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', `/CN=${name}`, '-keyout', keyFile, '-out', `${base}.csr`],
    );
    await writeFile(`${base}.ext`, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    await openssl(
      ...['x509', '-req', '-in', `${base}.csr`, '-CA', this.caFile, '-CAkey', this.#keyFile],
      ...['-set_serial', String(this.#serial++), '-days', String(days), '-extfile', `${base}.ext`],
      ...['-out', certFile],
    );
    return { certFile, keyFile };
  }
}

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args);
}
