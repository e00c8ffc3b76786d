import * as z from '../core/schema/zod.ts';
import type { MessageTexts } from '../core/notify/messages.ts';
import { type Template, isTemplateFault, parseTemplate } from '../core/notify/template.ts';
import { readFilePath, secret, text, url } from '../core/schema/fields.ts';
import { secretNow } from '../lib/secret-file.ts';
import { type HttpCredentials, credentials } from './http.ts';

// Keys that several kinds of sinks have, and how their values are read.

const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export const httpUrl = (description: string) => url(['http', 'https'], description);

export const externalUrl = (name: string) => httpUrl(`link to further details; sent as ${name}`).optional();

const template = (description: string) =>
  text(description)
    .max(4000)
    .superRefine((value, context) => {
      const parsed = parseTemplate(value);
      if (isTemplateFault(parsed))
        context.addIssue({ code: 'custom', message: `at character ${parsed.at}: ${parsed.message}` });
    });

export const textFields = {
  title: template(
    'title or subject, with placeholders such as {{sensor}}; absent: the built-in one',
  ).optional(),
  body: template('text, with placeholders such as {{message}}; absent: the built-in one').optional(),
};

export const labels = z
  .record(z.string().regex(LABEL, 'is no label name: letters, digits and _'), text('value'))
  .default({})
  .describe('labels of every alert, such as site: north');

export const tokenFields = {
  token: secret('bearer token; better in token_file or the environment').optional(),
  token_file: readFilePath('file that holds the token; a trailing newline is cut').optional(),
};

export const passwordFields = {
  username: text('user name').optional(),
  password: secret('password; better in password_file or the environment').optional(),
  password_file: readFilePath('file that holds the password; a trailing newline is cut').optional(),
};

/** At most one kind of credentials. */
export function oneCredential(
  value: {
    token?: string | undefined;
    token_file?: string | undefined;
    username?: string | undefined;
    password?: string | undefined;
  },
  context: z.RefinementCtx,
): void {
  if ((value.token ?? value.token_file) !== undefined && value.username !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['username'],
      message: 'stands beside token: give one of the two',
    });
  if (value.password !== undefined && value.username === undefined)
    context.addIssue({ code: 'custom', path: ['password'], message: 'needs username' });
}

/** A secret that the sink cannot do without, from wherever it comes. */
export const needs =
  <Key extends string>(key: Key) =>
  (value: { readonly [name in Key]?: string | undefined }, context: z.RefinementCtx): void => {
    if (value[key] === undefined)
      context.addIssue({ code: 'custom', path: [key], message: `is missing: give ${key} or ${key}_file` });
  };

/** The token or password, as it is now, as a header. */
export const credentialsOf = (sink: {
  readonly token?: string | undefined;
  readonly token_file?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly password_file?: string | undefined;
}): ReturnType<typeof credentials> => {
  const read: HttpCredentials = {
    token: secretNow(sink.token, sink.token_file),
    username: sink.username,
    password: secretNow(sink.password, sink.password_file),
  };
  return credentials(read);
};

/** The templates of `title` and `body`, which were checked when the configuration was loaded. */
export function textsOf(sink: {
  readonly title?: string | undefined;
  readonly body?: string | undefined;
}): MessageTexts {
  return { title: templateOf(sink.title), body: templateOf(sink.body) };
}

function templateOf(source: string | undefined): Template | undefined {
  const parsed = source === undefined ? undefined : parseTemplate(source);
  return parsed === undefined || isTemplateFault(parsed) ? undefined : parsed;
}
