import { useEffect, useState } from 'preact/hooks';
import type { DeadLetter, DeadLetterList, Retried } from '../../api/contract/dead-letters.ts';
import type { DecodedMessage } from '../../api/contract/decode.ts';
import { ReadOnlyNote, useCanWrite } from '../components/account.tsx';
import { Badge } from '../components/badge.tsx';
import { Card } from '../components/card.tsx';
import { CodeBlock } from '../components/copy.tsx';
import { Empty, Loading, Notice, ProblemNotice } from '../components/notice.tsx';
import { Foreign, Name } from '../components/text.tsx';
import { Ago, At } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { bytesText } from '../format/bytes.ts';
import { valueText } from '../format/number.ts';
import { metricName } from '../format/unit.ts';
import { shortened, visible } from '../format/visible.ts';
import { useResource, useSettled } from '../hooks.ts';
import { asProblem } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';
import type { Route } from '../router.ts';

const SPANS = [
  { key: '1h', label: 'Last hour' },
  { key: '24h', label: 'Last 24 hours' },
  { key: '7d', label: 'Last 7 days' },
  { key: '90d', label: 'Last 90 days' },
] as const;

export function DeadLettersView({ query }: { readonly query: Route['query'] }) {
  const { navigation } = usePage();
  const span = query['span'] ?? '24h';
  const reason = query['reason'];
  const { data, problem, reload } = useResource<DeadLetterList>(
    'dead-letters',
    { from: span, reason, limit: 200 },
    { everyS: 30 },
  );
  const [opened, setOpened] = useState<string>();
  const reasons = [...new Set(data?.items.map((letter) => letter.reason) ?? [])].sort();
  const shownReasons = reason === undefined || reasons.includes(reason) ? reasons : [reason, ...reasons];
  return (
    <div class="view">
      <div class="view-head">
        <div>
          <h1>Dead letters</h1>
          <p>Messages that gave no reading. They are kept with their payload, so nothing is lost.</p>
        </div>
      </div>
      <div class="filters">
        <div class="field">
          <label for="span">Time</label>
          <select
            id="span"
            class="select"
            value={span}
            onChange={(event) => navigation.change({ span: event.currentTarget.value })}
          >
            {SPANS.map(({ key, label }) => (
              <option key={key} value={key}>
                {label}
              </option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="reason">Reason</label>
          <select
            id="reason"
            class="select"
            value={reason ?? ''}
            onChange={(event) => navigation.change({ reason: event.currentTarget.value })}
          >
            <option value="">Every reason</option>
            {shownReasons.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </div>
      </div>
      <ReadOnlyNote what="To publish a message again" />
      {problem === undefined ? null : <ProblemNotice problem={problem} onRetry={reload} />}
      {data === undefined ? (
        problem === undefined ? (
          <Loading what="dead letters" />
        ) : null
      ) : data.items.length === 0 ? (
        <div class="card">
          <Empty title="No dead letters.">Every message of this time gave a reading, or was filtered.</Empty>
        </div>
      ) : (
        <Card
          title="Messages"
          note={data.next === null ? 'The newest first' : `The newest ${data.items.length}`}
          flush
        >
          <ul class="letters" data-list="dead-letters">
            {data.items.map((letter) => {
              const key = `${letter.id} ${letter.receivedAt}`;
              return (
                <Letter
                  key={key}
                  letter={letter}
                  open={opened === key}
                  onToggle={() => setOpened(opened === key ? undefined : key)}
                  onDone={reload}
                />
              );
            })}
          </ul>
        </Card>
      )}
    </div>
  );
}

/** The beginning of a payload in a line. */
const head = ({ payload }: DeadLetter): string =>
  shortened(visible(payload.text), 160) + (payload.encoding === 'base64' ? ' (base64)' : '');

function Letter({
  letter,
  open,
  onToggle,
  onDone,
}: {
  readonly letter: DeadLetter;
  readonly open: boolean;
  readonly onToggle: () => void;
  readonly onDone: () => void;
}) {
  return (
    <li>
      <button type="button" class="letter-head" aria-expanded={open} onClick={onToggle}>
        <Badge tone="warning" icon="warning">
          {letter.reason}
        </Badge>
        <span class="letter-topic">
          <Name text={letter.topic} most={100} />
        </span>
        <span class="soft small nowrap">
          {bytesText(letter.sizeBytes)}, <Ago at={letter.receivedAt} />
        </span>
        {open ? null : <span class="letter-payload mono soft">{head(letter)}</span>}
      </button>
      {open ? <LetterDetail letter={letter} onDone={onDone} /> : null}
    </li>
  );
}

function LetterDetail({ letter, onDone }: { readonly letter: DeadLetter; readonly onDone: () => void }) {
  const { daemon, toasts } = usePage();
  const canWrite = useCanWrite();
  const { data } = useResource<DeadLetter>(`dead-letters/${letter.id}`);
  const whole = data ?? letter;
  const [busy, setBusy] = useState(false);
  const retry = async (): Promise<void> => {
    setBusy(true);
    try {
      const { published, detail } = await daemon.client.post<Retried>(`dead-letters/${letter.id}/retry`, {
        again: letter.requeuedAt !== null,
      });
      toasts.show(
        published ? 'ok' : 'warning',
        published
          ? 'Published again: if a route reads it now, its readings are stored; else it comes back here.'
          : (detail ?? 'It was not published.'),
      );
      onDone();
    } catch (error) {
      toasts.show('critical', asProblem(error).message);
    }
    setBusy(false);
  };
  return (
    <div class="letter-body stack">
      <dl class="pairs">
        <dt>Why</dt>
        <dd>
          <code>{letter.reason}</code>
          {letter.detail === null ? null : (
            <>
              : <Foreign text={letter.detail} />
            </>
          )}
        </dd>
        <dt>Received</dt>
        <dd>
          <At at={letter.receivedAt} />
          {letter.requeuedAt === null ? null : (
            <>
              , published again <Ago at={letter.requeuedAt} />
            </>
          )}
        </dd>
        <dt>Topic</dt>
        <dd>
          <Foreign text={letter.topic} />
        </dd>
      </dl>
      <CodeBlock
        text={visible(whole.payload.text).replaceAll('\\u000A', '\n')}
        label={whole.payload.encoding === 'base64' ? 'Payload, in base64' : 'Payload'}
        wrap
      />
      {whole.keptBytes < whole.sizeBytes ? (
        <p class="soft small">
          {bytesText(whole.keptBytes)} of {bytesText(whole.sizeBytes)} are kept.
        </p>
      ) : null}
      <TryDecode letter={whole} />
      {canWrite ? (
        <div class="buttons">
          <button type="button" class="button" disabled={busy} onClick={() => void retry()}>
            {busy ? 'Publishing …' : 'Publish again'}
          </button>
          <span class="soft small">with the routes that are in effect now</span>
        </div>
      ) : null}
    </div>
  );
}

/** Ways to read a payload that are worth a try, as entries of `routes`. */
const STARTS: readonly {
  readonly key: string;
  readonly label: string;
  readonly route?: Record<string, unknown>;
}[] = [
  { key: 'now', label: 'The configuration in effect' },
  { key: 'json', label: 'JSON', route: { codec: 'json' } },
  { key: 'text', label: 'A number as text', route: { codec: 'text', metric: 'value' } },
  { key: 'zigbee2mqtt', label: 'Zigbee2MQTT', route: { preset: 'zigbee2mqtt' } },
  { key: 'tasmota', label: 'Tasmota', route: { preset: 'tasmota' } },
  { key: 'senml', label: 'SenML', route: { codec: 'senml' } },
];

function TryDecode({ letter }: { readonly letter: DeadLetter }) {
  const [start, setStart] = useState('now');
  const [text, setText] = useState('');
  const settled = useSettled(text, 300);
  const choose = (key: string): void => {
    setStart(key);
    const route = STARTS.find((one) => one.key === key)?.route;
    setText(
      route === undefined
        ? ''
        : JSON.stringify('preset' in route ? route : { topic: letter.topic, ...route }, null, 2),
    );
  };
  return (
    <fieldset class="try">
      <legend>Try another route</legend>
      <div class="try-grid">
        <div class="stack">
          <div class="field">
            <label for="start">Read it as</label>
            <select
              id="start"
              class="select"
              value={start}
              onChange={(event) => choose(event.currentTarget.value)}
            >
              {STARTS.map(({ key, label }) => (
                <option key={key} value={key}>
                  {label}
                </option>
              ))}
            </select>
          </div>
          {start === 'now' ? null : (
            <div class="field">
              <label for="route">Entry of routes</label>
              <textarea
                id="route"
                class="input mono"
                rows={6}
                spellcheck={false}
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
              <span class="hint">JSON is YAML, too: what works here can be put under routes as it is.</span>
            </div>
          )}
        </div>
        <Decoded letter={letter} route={start === 'now' ? '' : settled} />
      </div>
    </fieldset>
  );
}

/** The payload as a route decodes it, while one types. */
function Decoded({ letter, route }: { readonly letter: DeadLetter; readonly route: string }) {
  const { daemon } = usePage();
  const [state, setState] = useState<{ decoded?: DecodedMessage; problem?: ApiProblem; fault?: string }>({});
  useEffect(() => {
    let entry: unknown;
    try {
      entry = route === '' ? undefined : JSON.parse(route);
    } catch (error) {
      setState({ fault: error instanceof Error ? error.message : String(error) });
      return;
    }
    const left = new AbortController();
    const body = {
      topic: letter.topic,
      payload: letter.payload.text,
      encoding: letter.payload.encoding,
      receivedAt: letter.receivedAt,
      ...(entry === undefined ? {} : { route: entry }),
    };
    daemon.client.post<DecodedMessage>('decode', body, left.signal).then(
      (decoded) => setState({ decoded }),
      (error: unknown) => {
        if (!left.signal.aborted) setState({ problem: asProblem(error) });
      },
    );
    return () => left.abort();
  }, [route, letter.id, letter.payload.text]);
  const { decoded, problem, fault } = state;
  return (
    <div
      class="stack"
      aria-live="polite"
      data-decoded={decoded?.reject ?? (decoded === undefined ? '' : 'ok')}
    >
      {fault === undefined ? null : (
        <Notice tone="info">
          <span>Not yet JSON: {fault}</span>
        </Notice>
      )}
      {problem === undefined ? null : <ProblemNotice problem={problem} />}
      {decoded === undefined ? null : <DecodedResult decoded={decoded} />}
    </div>
  );
}

function DecodedResult({ decoded }: { readonly decoded: DecodedMessage }) {
  if (decoded.reject !== null)
    return (
      <Notice tone="warning">
        <strong>No reading: {decoded.reject}</strong>
        <span>
          {decoded.route === null
            ? 'No route reads this topic.'
            : `Route ${visible(decoded.route)} reads the topic.`}
        </span>
        {decoded.hint === null ? null : <Foreign text={decoded.hint} />}
      </Notice>
    );
  return (
    <Notice tone="ok">
      <strong>It would be stored as:</strong>
      {decoded.readings.slice(0, 10).map((reading) => (
        <span class="break" key={`${reading.device} ${reading.time}`}>
          <b>
            <Name text={reading.device} />
          </b>
          , <At at={reading.time} />:{' '}
          {reading.metrics
            .map(
              ({ metric, value, unit }) =>
                `${visible(metricName(metric))} ${valueText(value, { metric, unit })}`,
            )
            .join(', ')}
        </span>
      ))}
      {decoded.readings.length > 10 ? <span>and {decoded.readings.length - 10} more</span> : null}
      {decoded.hint === null ? null : <Foreign text={decoded.hint} />}
      {decoded.dropped.length === 0 ? null : (
        <span class="soft break">Dropped: {visible(decoded.dropped.join(', '))}</span>
      )}
    </Notice>
  );
}
