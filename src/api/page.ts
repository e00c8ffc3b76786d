import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FieldwatchError } from '../core/errors.ts';
import type { ApiDeps } from './deps.ts';
import { API_PREFIX, arrivalOf, pathOf } from './request.ts';
import { matches } from './send-json.ts';

export interface PageFile {
  readonly type: string;
  readonly etag: string;
  /** Hashed names never change what is in them. */
  readonly immutable: boolean;
  readonly plain: Buffer;
  readonly brotli: Buffer | undefined;
  readonly gzip: Buffer | undefined;
}

export interface Page {
  /** Changes with the files. */
  readonly build: string;
  /** By their path below the root, without the first slash. */
  readonly files: ReadonlyMap<string, PageFile>;
}

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  webmanifest: 'application/manifest+json; charset=utf-8',
  woff2: 'font/woff2',
};

/** Nothing of the page leads elsewhere, and nothing runs that is not a file of it. */
const PAGE_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    ...[
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      "connect-src 'self'",
      "font-src 'self'",
    ],
    ...["manifest-src 'self'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'none'"],
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
} as const;

/**
 * The files that `npm run build` made of `src/web`, read once; undefined where there are none. The base of the page is where a
 * proxy serves it.
 */
export function readPage(folder: string, basePath: string): Page | undefined {
  const names = namesIn(folder);
  if (!names.includes('index.html')) return undefined;
  const all = new Set(names);
  const read = (name: string) => readFileSync(join(folder, name));
  const files = new Map<string, PageFile>();
  for (const name of names) {
    const type = TYPES[/\.(\w+)$/.exec(name)?.[1] ?? ''];
    if (type === undefined) continue;
    if (name === 'index.html') {
      files.set(name, fileOf(type, withBase(read(name), basePath), false));
      continue;
    }
    const packed = (suffix: string) => (all.has(`${name}${suffix}`) ? read(`${name}${suffix}`) : undefined);
    files.set(name, fileOf(type, read(name), name.startsWith('assets/'), packed('.br'), packed('.gz')));
  }
  const digest = createHash('sha256');
  for (const [name, { etag }] of [...files].sort()) digest.update(`${name} ${etag}\n`);
  return { files, build: digest.digest('hex').slice(0, 16) };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
      name.replaceAll('\\', '/'),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

const fileOf = (
  type: string,
  plain: Buffer,
  immutable: boolean,
  brotli?: Buffer,
  gzip?: Buffer,
): PageFile => ({
  ...{ type, plain, immutable, brotli, gzip },
  etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
});

/** Compressed files would have the base of the build, so this one is sent as it is. */
const withBase = (html: Buffer, basePath: string): Buffer =>
  Buffer.from(html.toString().replace(/<base href="[^"]*"\s*\/?>/, `<base href="${basePath}/">`));

/** The file of a path, or the page itself for what has no dot in its name: the page knows its own paths. */
export function fileAt({ files }: Page, path: string): PageFile | undefined {
  const name = path.replace(/^\/+/, '');
  if (name !== 'index.html' && files.has(name)) return files.get(name);
  return /\.[^/]*$/.test(name) && name !== 'index.html' ? undefined : files.get('index.html');
}

/** The smallest form that the client reads. */
export function encodingFor(
  { plain, brotli, gzip }: PageFile,
  accepted: string | undefined,
): { readonly body: Buffer; readonly encoding: string | undefined } {
  const takes = (name: string) =>
    (accepted ?? '').split(',').some((each) => {
      const [coding = '', ...parameters] = each.trim().split(';');
      return (
        coding.trim().toLowerCase() === name && !parameters.some((one) => /^\s*q=0(?:\.0*)?\s*$/.test(one))
      );
    });
  if (brotli !== undefined && takes('br')) return { body: brotli, encoding: 'br' };
  if (gzip !== undefined && takes('gzip')) return { body: gzip, encoding: 'gzip' };
  return { body: plain, encoding: undefined };
}

/** The files of the page, and the page for every path of its own. They hold no data, so they ask for no token. */
export function servePage(
  scope: FastifyInstance,
  page: Page | undefined,
  deps: Pick<ApiDeps, 'access' | 'program'>,
  missing: (request: FastifyRequest, reply: FastifyReply) => FieldwatchError,
): void {
  scope.get('/*', {
    schema: { hide: true },
    onRequest: async (request) => void deps.access.admit(arrivalOf(request), 'public'),
    handler: async (request, reply) => {
      const path = pathOf(request);
      if (/^\/api(?:\/|$)/.test(path)) throw missing(request, reply);
      if (page === undefined)
        return reply
          .type('text/plain; charset=utf-8')
          .send(
            `fieldwatch ${deps.program.version}: its page was not built (npm run build). The API is described at ${API_PREFIX}/openapi.json.\n`,
          );
      const file = fileAt(page, path);
      if (file === undefined) throw missing(request, reply);
      void reply.headers({
        ...PAGE_HEADERS,
        etag: file.etag,
        vary: 'accept-encoding',
        'cache-control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      });
      if (matches(request.headers['if-none-match'], file.etag)) return reply.code(304).send();
      const { body, encoding } = encodingFor(file, request.headers['accept-encoding']);
      if (encoding !== undefined) void reply.header('content-encoding', encoding);
      return reply.type(file.type).send(body);
    },
  });
}
