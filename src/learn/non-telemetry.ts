import { holdsNumber } from '../core/ingest/mapping/array.ts';
import { isObject, own } from '../core/ingest/mapping/document.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import { COMMA_NUMBER } from '../core/ingest/preset/texts.ts';

const DISCOVERY = [
  'state_topic',
  'stat_t',
  'command_topic',
  'cmd_t',
  'unique_id',
  'uniq_id',
  'automation_type',
];
/** Keys of a notification by an mqtt sink, whatever its prefix. */
const OWN_ALERT = ['status', 'alert_id', 'seq', 'sensor', 'alert_type'];
const PRESENCE = /^(?:lwt|availability|available|status|online|connected|connection|state)$/i;
const PRESENT = /^(?:online|offline|connected|disconnected|alive|dead|ready|lost|true|false|up|down)$/i;
const COMMAND = /^(?:set|get|cmd|cmds|cmnd|command|commands|request|rpc|ctrl|control)$/i;

/** Why a message is no telemetry, whatever device sends it; undefined if it may be. */
export function reasonToLeave(message: Observed): string | undefined {
  const { levels, content, document } = message;
  if (content.kind === 'empty') return 'empty: a retained message was cleared';
  const last = levels.at(-1) ?? '';
  if (
    document !== undefined &&
    last === 'config' &&
    DISCOVERY.some((key) => own(document, key) !== undefined)
  )
    return 'Home Assistant discovery';
  if (document !== undefined && OWN_ALERT.every((key) => own(document, key) !== undefined))
    return 'an alert of fieldwatch: as readings it would raise others';
  if (levels.includes('gateway') && levels.some((level) => ['event', 'command', 'state'].includes(level)))
    if (levels.some((level) => /^[0-9a-f]{16}$/i.test(level)))
      return 'LoRaWAN gateway, behind the network server';
  if (levels.slice(-2).some((level) => COMMAND.test(level))) return 'a command, not a measurement';
  if (isPresence(message, last)) return 'availability of a device or program';
  if (content.kind === 'text')
    return content.text.split('\n').every((line) => line.trim() === '' || COMMA_NUMBER.test(line))
      ? 'a number with a decimal comma, or two whole numbers: codec csv has settings for either (csv.decimal, csv.separator)'
      : 'text that is no number';
  if (content.kind === 'binary')
    return 'bytes of no format that is known (a protobuf of yours: codec protobuf)';
  if (content.kind === 'tree' && !hasNumber(content.value, 0))
    return holdsNumber(content.value)
      ? 'an array of numbers without names (a route whose topic has {metric} stores up to 16 of them)'
      : 'no number in it';
  return undefined;
}

function isPresence({ content, document }: Observed, last: string): boolean {
  if (content.kind === 'text') return PRESENT.test(content.text.trim()) && PRESENCE.test(last);
  const state = document === undefined ? undefined : (own(document, 'state') ?? own(document, 'status'));
  return PRESENCE.test(last) && typeof state === 'string' && PRESENT.test(state);
}

/** Depth is bounded by the codec. */
export function hasNumber(value: unknown, depth: number): boolean {
  if (typeof value === 'number' || typeof value === 'bigint') return depth > 0;
  if (typeof value === 'string') return depth > 0 && /^\s*[+-]?\d+(?:\.\d*)?\s*$/.test(value);
  if (Array.isArray(value)) return value.some((item) => isObject(item) && hasNumber(item, depth));
  return isObject(value) && Object.values(value).some((item) => hasNumber(item, depth + 1));
}
