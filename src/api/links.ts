import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SILENCE_MS } from '../core/notify/delivery.ts';
import { oneLine } from '../core/notify/one-line.ts';
import { truncate } from '../core/notify/template.ts';
import { type AnswerResult, answerText } from '../core/notify/text/answer.ts';
import { type Language, type MessageName, fill } from '../core/notify/text/language.ts';
import { LANGUAGES } from '../core/notify/text/languages.ts';
import { lasting, localTime } from '../core/notify/text/moment.ts';
import { type TextContext, clockOf, sentenceOf } from '../core/notify/text/sentence.ts';
import { answersMetric } from '../lib/answers-metric.ts';
import { type ActionClaim, readAction, requestOf } from '../lib/action-token.ts';
import { findOpenAlert } from '../queries/alerts.ts';
import { earlierRequest } from '../queries/alert-requests.ts';
import { pastNotifications } from '../queries/past-notifications.ts';
import { RateLimit, addressKey } from './access/rate-limit.ts';
import { Refusal } from './access/refusal.ts';
import type { ApiDeps, LinkDeps } from './deps.ts';
import { arrivalOf } from './request.ts';

/** A user opens a link and presses a button; a scanner of links opens each once. */
const USES = { burst: 30, everyMs: 2000 };
const BODY_BYTES = 4096;
const MOST_NAME = 60;

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}' +
  'input,button{font:inherit;padding:.5rem .75rem;margin:.25rem 0}button{font-weight:600}';

const HEADERS = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
  // The web client of a push service may read the answer: it was given the link.
  'access-control-allow-origin': '*',
} as const;

/**
 * The links in notifications. GET shows a page that asks, and changes nothing, however many scanners of links open it; POST acts,
 * once for each link. What the link says is what it may do: no login, no cookie.
 */
export function serveLinks(scope: FastifyInstance, deps: ApiDeps): void {
  const { links } = deps;
  if (links === undefined) return;
  const uses = new RateLimit(USES, deps.clock);
  const used = answersMetric(deps.metrics);
  scope.removeAllContentTypeParsers();
  // The form of the page; a push service sends whatever it likes.
  scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_BYTES }, (_, body, done) =>
    done(null, body),
  );
  const admit = async (request: FastifyRequest) => {
    const arrival = arrivalOf(request);
    // A write by a link may come from the page of a push service: it carries its right in itself.
    const { client } = deps.access.admit({ ...arrival, method: 'GET' }, 'public');
    const key = addressKey(client.address);
    if (!uses.take(key)) throw Refusal.tooMany(uses.waitS(key));
  };
  const schema = { hide: true };
  scope.get('/act/:token', {
    schema,
    onRequest: admit,
    handler: async (request, reply) => show(reply, await questionOf(tokenOf(request), links, deps)),
  });
  scope.post('/act/:token', {
    schema,
    onRequest: admit,
    handler: async (request, reply) => {
      const shown = await answerOf(tokenOf(request), nameIn(request.body), links, deps);
      used.inc(1, { way: 'link', outcome: shown.outcome ?? 'refused' });
      return show(reply, shown);
    },
  });
}

const tokenOf = (request: FastifyRequest): string => (request.params as { token: string }).token;

const nameIn = (body: unknown): string =>
  typeof body === 'string' ? truncate(oneLine(new URLSearchParams(body).get('by') ?? ''), MOST_NAME) : '';

interface Shown {
  readonly status: number;
  readonly language: Language;
  /** Subject of the alert. */
  readonly about?: string;
  readonly text: string;
  readonly form?: { readonly button: string; readonly name: string };
  readonly outcome?: AnswerResult['outcome'];
}

const INVALID: Shown = { status: 404, language: LANGUAGES.en, text: 'This link is not valid.' };

/** A claim that is in force, or what is wrong with it. */
function claimOf(
  token: string,
  links: LinkDeps,
): { readonly claim: ActionClaim; readonly context: TextContext } | { readonly fault: Shown } {
  const secret = links.secret();
  const claim = secret === undefined ? undefined : readAction(token, secret);
  if (claim === undefined) return { fault: INVALID };
  const context = links.contextOf(claim.sink);
  const { language, nowMs } = context;
  return claim.expiresMs <= nowMs
    ? { fault: { status: 410, language, text: language.messages.is_expired } }
    : { claim, context };
}

/** Changes nothing. */
async function questionOf(token: string, links: LinkDeps, { db }: ApiDeps): Promise<Shown> {
  const read = claimOf(token, links);
  if ('fault' in read) return read.fault;
  const { claim, context } = read;
  const { language } = context;
  const before = await earlierRequest(db, requestOf(token));
  if (before !== undefined) {
    const { by, at } = before;
    return {
      status: 200,
      language,
      text: text(context, 'is_used', { by, time: timeOf(at.getTime(), context) }),
    };
  }
  const about = await aboutOf(claim, context, db);
  if ((await findOpenAlert(db, { alertId: claim.alertId })) === undefined)
    return { status: 410, language, about, text: language.messages.is_over };
  const lasted = lasting(SILENCE_MS / 1000);
  const acks = claim.action === 'ack';
  return {
    ...{ status: 200, language, about },
    text: acks ? language.messages.ask_acknowledge : text(context, 'ask_silence', { lasted }),
    form: {
      button: acks ? language.messages.acknowledge : text(context, 'silence', { lasted }),
      name: language.messages.your_name,
    },
  };
}

async function answerOf(token: string, name: string, links: LinkDeps, deps: ApiDeps): Promise<Shown> {
  const read = claimOf(token, links);
  if ('fault' in read) return read.fault;
  const { claim, context } = read;
  const { alertId, action, sink } = claim;
  const by = name === '' ? `link of ${sink}` : `${name} (link of ${sink})`;
  const result = await links.act({ alertId, action, by, comment: '', requestId: requestOf(token) });
  if (!result.repeated)
    deps.logger.info(
      { by, command: action, alert_id: alertId, outcome: result.outcome },
      'alert answered by a link',
    );
  const about = await aboutOf(claim, context, deps.db);
  const { outcome } = result;
  const status = outcome === 'over' ? 410 : outcome === 'queued' ? 202 : 200;
  return { status, language: context.language, about, text: resultText(result, context), outcome };
}

/** The answer to a second use says what the first one did. */
function resultText(result: AnswerResult, context: TextContext): string {
  const { outcome, by = '', atMs, repeated } = result;
  if (repeated && atMs !== undefined && outcome !== 'over')
    return text(context, 'is_used', { by, time: timeOf(atMs, context) });
  return answerText(result, context);
}

const text = (
  { language }: TextContext,
  name: MessageName,
  values: Readonly<Record<string, string>>,
): string => fill(language.messages[name], values);

const timeOf = (atMs: number, context: TextContext): string =>
  localTime(atMs, context.nowMs, clockOf(context));

/** The newest that is known of the alert. */
async function aboutOf({ alertId }: ActionClaim, context: TextContext, db: ApiDeps['db']): Promise<string> {
  const newest = (await pastNotifications(db, alertId)).at(-1);
  return newest === undefined ? '' : sentenceOf(newest, context);
}

function show(reply: FastifyReply, { status, language, about = '', text: says, form }: Shown): FastifyReply {
  const lang = language.locale.slice(0, 2);
  const question =
    form === undefined
      ? ''
      : `<form method="post"><p><label>${escaped(form.name)}<br><input name="by" maxlength="${MOST_NAME}" autocomplete="name"></label></p><p><button>${escaped(form.button)}</button></p></form>`;
  return reply
    .code(status)
    .headers(HEADERS)
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>fieldwatch</title><style>${STYLE}</style></head>` +
        `<body>${about === '' ? '' : `<h1>${escaped(about)}</h1>`}<p>${escaped(says)}</p>${question}</body></html>\n`,
    );
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (plain: string): string => plain.replace(/[&<>"']/g, (each) => ENTITIES[each] ?? each);
