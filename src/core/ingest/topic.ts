/**
 * Topic patterns: an MQTT topic filter whose levels may carry names.
 * `{x}` is one level, `{x...}` one or more, `+` and `#` as in MQTT 5.0 section 4.7. A pattern may start with
 * `$share/<group>/`: the group belongs to the subscription, never to the topic of a delivered message.
 */
export interface TopicPattern {
  readonly text: string;
  /** The MQTT filter to subscribe: `{x}` -> `+`, `{x...}` and all behind it -> `#`. Keeps `$share/<group>/`. */
  readonly filter: string;
  /** The names of the segments, in order. */
  readonly names: readonly string[];
  /** Values of the named segments in `topic`, or undefined if it does not match. */
  match(topic: string): Captures | undefined;
}

export type Captures = ReadonlyMap<string, string>;

export type TopicParse =
  { readonly ok: true; readonly pattern: TopicPattern } | { readonly ok: false; readonly message: string };

type TopicLevel =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'one'; readonly name: string | undefined }
  | { readonly kind: 'many'; readonly name: string | undefined };

const NO_CAPTURES: Captures = new Map();
const SEGMENT = /^\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}$/;
const MAX_TOPIC_BYTES = 65_535;

/** Reads a pattern. The message of a fault is a sentence for the operator; it does not repeat the pattern. */
export function parseTopicPattern(text: string): TopicParse {
  const share = /^\$share\/([^/]*)\/?(.*)$/su.exec(text);
  if (share !== null && (share[1] === '' || /[+#{}]/.test(share[1] ?? '') || share[2] === ''))
    return fault('a shared subscription is $share/<group>/<filter>, with a plain group');
  const body = share === null ? text : (share[2] ?? '');
  const message = bodyFault(body);
  if (message !== undefined) return fault(message);
  const levels: TopicLevel[] = [];
  for (const part of body.split('/')) {
    const level = parseLevel(part);
    if (typeof level === 'string') return fault(level);
    levels.push(level);
  }
  const order = orderFault(levels);
  if (order !== undefined) return fault(order);
  const prefix = share === null ? '' : `$share/${share[1] ?? ''}/`;
  return { ok: true, pattern: compile(text, prefix + mqttFilter(levels), levels) };
}

function fault(message: string): TopicParse {
  return { ok: false, message };
}

function bodyFault(body: string): string | undefined {
  if (body === '') return 'a topic pattern must not be empty';
  if (body.includes('\u0000')) return 'a topic pattern must not hold U+0000';
  if (new TextEncoder().encode(body).length > MAX_TOPIC_BYTES) return 'a topic has at most 65535 bytes';
  return undefined;
}

function parseLevel(part: string): TopicLevel | string {
  if (part === '+') return { kind: 'one', name: undefined };
  if (part === '#') return { kind: 'many', name: undefined };
  const segment = SEGMENT.exec(part);
  if (segment !== null) return { kind: segment[2] === undefined ? 'one' : 'many', name: segment[1] ?? '' };
  if (part.includes('{') || part.includes('}'))
    return `"${part}" is no named segment; write {name} or {name...}, alone between slashes`;
  if (part.includes('+') || part.includes('#')) return `"${part}": + and # stand alone between slashes`;
  return { kind: 'literal', text: part };
}

function orderFault(levels: readonly TopicLevel[]): string | undefined {
  const last = levels.length - 1;
  if (levels.some((level, index) => level.kind === 'many' && level.name === undefined && index < last))
    return '# must be the last level';
  // Two of them would leave open where the first one ends.
  if (levels.filter((level) => level.kind === 'many').length > 1)
    return 'only one level may be # or {name...}';
  const names = levels.flatMap((level) => ('name' in level && level.name !== undefined ? [level.name] : []));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? undefined : `the segment {${twice}} appears twice`;
}

function mqttFilter(levels: readonly TopicLevel[]): string {
  const parts: string[] = [];
  for (const level of levels) {
    parts.push(level.kind === 'literal' ? level.text : level.kind === 'one' ? '+' : '#');
    if (level.kind === 'many') break;
  }
  return parts.join('/');
}

function compile(text: string, filter: string, levels: readonly TopicLevel[]): TopicPattern {
  const at = levels.findIndex((level) => level.kind === 'many');
  const head = at < 0 ? levels : levels.slice(0, at);
  const many = levels[at];
  const tail = at < 0 ? [] : levels.slice(at + 1);
  // `#` also matches its parent level (4.7.1.2), `{x...}` holds at least one level.
  const least = head.length + tail.length + (many?.kind === 'many' && many.name !== undefined ? 1 : 0);
  const most = many === undefined ? head.length : Infinity;
  const wildStart = levels[0]?.kind !== 'literal';
  const names = levels.flatMap((level) => ('name' in level && level.name !== undefined ? [level.name] : []));

  const match = (topic: string): Captures | undefined => {
    // 4.7.2: a filter that starts with a wildcard does not match a topic that starts with $.
    if (wildStart && topic.startsWith('$')) return undefined;
    const parts = topic.split('/');
    if (parts.length < least || parts.length > most) return undefined;
    const tailAt = parts.length - tail.length;
    if (!matches(head, parts, 0) || !matches(tail, parts, tailAt)) return undefined;
    if (names.length === 0) return NO_CAPTURES;
    const captures = new Map<string, string>();
    keep(head, parts, 0, captures);
    if (many?.kind === 'many' && many.name !== undefined)
      captures.set(many.name, parts.slice(head.length, tailAt).join('/'));
    keep(tail, parts, tailAt, captures);
    return captures;
  };
  return { text, filter, names, match };
}

function matches(levels: readonly TopicLevel[], parts: readonly string[], from: number): boolean {
  return levels.every((level, index) => level.kind !== 'literal' || level.text === parts[from + index]);
}

function keep(
  levels: readonly TopicLevel[],
  parts: readonly string[],
  from: number,
  into: Map<string, string>,
): void {
  levels.forEach((level, index) => {
    if (level.kind === 'one' && level.name !== undefined) into.set(level.name, parts[from + index] ?? '');
  });
}

/** True if every topic that filter `b` matches is matched by filter `a` too. Plain MQTT filters. */
export function filterCovers(a: string, b: string): boolean {
  if (a === b) return true;
  if (a.startsWith('$share/') || b.startsWith('$share/')) return false;
  const left = a.split('/');
  const right = b.split('/');
  // A leading wildcard leaves the $ topics out.
  if ((left[0] === '+' || left[0] === '#') && right[0]?.startsWith('$') === true) return false;
  for (const [index, level] of left.entries()) {
    if (level === '#') return true;
    const other = right[index];
    if (other === undefined || other === '#' || (level !== '+' && level !== other)) return false;
  }
  return left.length === right.length;
}

/** True if some topic matches both filters. Plain MQTT filters; a shared subscription overlaps as its filter does. */
export function filtersOverlap(a: string, b: string): boolean {
  const left = withoutShare(a).split('/');
  const right = withoutShare(b).split('/');
  const isWild = (level: string | undefined) => level === '+' || level === '#';
  // A leading wildcard leaves the $ topics out.
  if (isWild(left[0]) && right[0]?.startsWith('$') === true) return false;
  if (isWild(right[0]) && left[0]?.startsWith('$') === true) return false;
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [one, other] = [left[index], right[index]];
    // `#` also matches its parent level (4.7.1.2), so it ends the comparison where the other ends as well.
    if (one === '#' || other === '#') return true;
    if (one === undefined || other === undefined) return false;
    if (one !== '+' && other !== '+' && one !== other) return false;
  }
  return true;
}

/** The filters that overlap with another one of `filters`. */
export function overlappingFilters(filters: readonly string[]): string[] {
  return filters.filter((filter) =>
    filters.some((other) => other !== filter && filtersOverlap(filter, other)),
  );
}

const withoutShare = (filter: string) => filter.replace(/^\$share\/[^/]*\//, '');

/**
 * The fewest of `filters` that deliver the same messages. Overlapping subscriptions may deliver a message once per
 * subscription (MQTT 5.0 section 3.3.4), so what another filter covers is left out.
 */
export function reduceFilters(filters: readonly string[]): string[] {
  const distinct = [...new Set(filters)];
  return distinct.filter(
    (filter) => !distinct.some((other) => other !== filter && filterCovers(other, filter)),
  );
}

/** `topic` of a route as a list. */
export const topicList = (topic: string | readonly string[] | undefined): readonly string[] =>
  topic === undefined ? [] : typeof topic === 'string' ? [topic] : topic;
