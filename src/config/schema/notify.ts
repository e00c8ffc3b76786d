import { z } from 'zod';
import { readFilePath, secret, section, url } from './fields.ts';
import {
  commonFields,
  labels,
  oneCredential,
  passwordFields,
  tellingFields,
  tokenFields,
} from './notify-common.ts';

const http = (description: string) => url(['http', 'https'], description);
/** Header names as HTTP has them; the ones that the sink sets itself are its own business. */
const header = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is no header name')
  .refine((name) => !/^(authorization|content-(type|length)|host|x-fieldwatch-.*)$/i.test(name), {
    error: 'is set by the sink itself: see token, username and secret',
  });

const webhook = section(
  {
    kind: z.literal('webhook').describe('a receiver of Alertmanager’s webhook, or of your own'),
    ...commonFields(600),
    ...tellingFields,
    url: http('where to POST; it may hold a secret and is never shown').meta({ writeOnly: true }).optional(),
    url_file: readFilePath('file that holds the url; a trailing newline is cut').optional(),
    secret: secret('key of the HMAC signature; better in secret_file or the environment').optional(),
    secret_file: readFilePath('file that holds the key; a trailing newline is cut').optional(),
    ...tokenFields,
    ...passwordFields,
    headers: z
      .record(header, z.string().regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII'))
      .default({})
      .describe('further headers; nothing secret'),
    labels,
    external_url: http('link to where a person looks further; goes out as externalURL').optional(),
  },
  'POSTs the body of Alertmanager’s webhook (version 4)',
)
  .superRefine(oneCredential)
  .superRefine((value, context) => {
    if (value.url === undefined)
      context.addIssue({ code: 'custom', path: ['url'], message: 'is missing: give url or url_file' });
  });

const sink = z
  .discriminatedUnion('kind', [webhook], {
    error: (issue) => (issue.code === 'invalid_union' ? 'kind is not one of webhook' : undefined),
  })
  .describe('where notifications go');

export type SinkConfig = z.output<typeof sink>;

export const notifySchema = z
  .array(sink)
  .max(50)
  .superRefine((sinks, context) => {
    sinks.forEach(({ name }, index) => {
      if (sinks.findIndex((other) => other.name === name) < index)
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `"${name}" is taken by another sink`,
        });
    });
  })
  .default([])
  .describe('where notifications go besides the log');
