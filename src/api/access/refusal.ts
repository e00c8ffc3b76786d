import { type ErrorDetail, FieldwatchError } from '../../core/errors.ts';
import type { Caller, Role } from './caller.ts';

/** A request that is not looked at. */
export class Refusal extends FieldwatchError {
  readonly headers: Readonly<Record<string, string>>;

  constructor(message: string, detail: ErrorDetail, headers: Readonly<Record<string, string>> = {}) {
    super(message, detail);
    this.headers = headers;
  }

  static wrongHost(host: string | undefined): Refusal {
    const what = host === undefined ? 'no host' : `the host ${host.slice(0, 255)}`;
    return new Refusal(`the request names ${what}, which is not this daemon`, {
      code: 'API_WRONG_HOST',
      kind: 'auth',
      remedy: 'Add the name under which the page is opened to http.allowed_hosts.',
    });
  }

  static wrongOrigin(fault: string): Refusal {
    return new Refusal(`a write has to come from the page itself: ${fault}`, {
      code: 'API_WRONG_ORIGIN',
      kind: 'auth',
      remedy:
        'Open the page of this daemon. Behind a proxy: let it pass the header Host on, or add its name to http.allowed_hosts.',
    });
  }

  static tooMany(waitS: number): Refusal {
    const afterS = Math.max(1, waitS);
    return new Refusal(
      'too many requests',
      { code: 'API_TOO_MANY', kind: 'transient', remedy: `Try again in ${afterS} s.` },
      { 'retry-after': String(afterS) },
    );
  }

  static unknownToken(): Refusal {
    return new Refusal(
      'the token is not known to this daemon',
      {
        code: 'API_TOKEN_UNKNOWN',
        kind: 'auth',
        remedy: 'See http.token_file; a changed file is read at a reload.',
      },
      CHALLENGE,
    );
  }

  static role({ role, name }: Caller, needed: Role | 'public', hasTokens: boolean): Refusal {
    if (name !== null && role !== null)
      return new Refusal(`${name} is ${role}, and this takes the role ${needed}`, {
        code: 'API_FORBIDDEN',
        kind: 'auth',
        remedy: 'Use a token of that role (http.token_file).',
      });
    return new Refusal(
      `this takes the role ${needed}, and the request has no token`,
      {
        code: 'API_LOGIN_NEEDED',
        kind: 'auth',
        remedy: hasTokens
          ? 'Log in on the page, or send a token of http.token_file: Authorization: Bearer …'
          : `Set http.token_file to a file with a token of that role: echo "admin ${needed} $(openssl rand -hex 24)"`,
      },
      CHALLENGE,
    );
  }
}

const CHALLENGE = { 'www-authenticate': 'Bearer realm="fieldwatch"' };
