import { deviceIn, statedAvailability } from './availability.ts';
import type { CodecKind } from './codec/codec.ts';
import { codecNamed, knownCodecs } from './codec/index.ts';
import { mappingFaults } from './mapping/faults.ts';
import { PRESETS, effectiveConfig, presetNamed } from './preset/index.ts';
import type { RouteConfig, RouteFault } from './route-config.ts';
import { parseTopicPattern, topicList } from './topic.ts';

/** Every fault of one route, for the configuration's own report. Empty: `compileRoutes` takes it. */
export function routeFaults(written: RouteConfig): RouteFault[] {
  const config = effectiveConfig(written);
  const faults: RouteFault[] = [...topicFaults(written, config), ...mappingFaults(written)];
  if (written.preset !== undefined && presetNamed(written.preset) === undefined)
    faults.push({ path: ['preset'], message: unknown('preset', written.preset, PRESETS) });
  const codec = codecNamed(config.codec ?? 'json');
  if (codec === undefined)
    faults.push({ path: ['codec'], message: unknown('codec', config.codec ?? '', knownCodecs()) });
  faults.push(...encodingFaults(written, codec));
  const fault = codec?.check?.(config);
  if (fault !== undefined) faults.push({ path: [fault.key], message: fault.message });
  return faults;
}

function encodingFaults({ encoding, preset }: RouteConfig, codec: CodecKind | undefined): RouteFault[] {
  if (encoding === undefined || codec === undefined) return [];
  const known = (preset === undefined ? undefined : presetNamed(preset)?.encodings) ?? codec.encodings ?? [];
  if (known.includes(encoding)) return [];
  const expected = known.length === 0 ? 'this route has one encoding only' : `known are ${known.join(', ')}`;
  return [{ path: ['encoding'], message: `"${encoding}" is no encoding here; ${expected}` }];
}

function unknown(what: string, name: string, known: readonly { readonly name: string }[]): string {
  const names = known.map((one) => one.name);
  const close = names.filter((one) => name.length > 2 && (one.startsWith(name) || name.startsWith(one)));
  const hint =
    close.length > 0
      ? `did you mean ${close.map((one) => `"${one}"`).join(' or ')}?`
      : `known are ${names.join(', ')}`;
  return `"${name}" is no ${what}; ${hint}`;
}

function topicFaults(written: RouteConfig, config: RouteConfig): RouteFault[] {
  const faults: RouteFault[] = [];
  const names = new Set<string>();
  const several = typeof written.topic === 'object';
  const topics = topicList(config.topic);
  // An unknown preset brings no topic: one message about it is enough.
  const known = written.preset === undefined || presetNamed(written.preset) !== undefined;
  if (topics.length === 0 && known)
    faults.push({ path: ['topic'], message: 'a route needs a topic or a preset that has one' });
  for (const [index, text] of topics.entries()) {
    const parsed = parseTopicPattern(text);
    if (parsed.ok) parsed.pattern.names.forEach((name) => names.add(name));
    else
      faults.push({ path: several ? ['topic', index] : ['topic'], message: `"${text}": ${parsed.message}` });
  }
  for (const [index, text] of (written.ignore ?? []).entries()) {
    const parsed = parseTopicPattern(text);
    if (!parsed.ok) faults.push({ path: ['ignore', index], message: `"${text}": ${parsed.message}` });
  }
  for (const [index, { topic: text }] of (statedAvailability(written) ?? []).entries()) {
    const parsed = parseTopicPattern(text);
    const path = Array.isArray(written.availability) ? ['availability', index] : ['availability'];
    if (!parsed.ok) faults.push({ path, message: `"${text}": ${parsed.message}` });
    else if (parsed.pattern.names.length === 0 || deviceIn(parsed.pattern, config) === undefined)
      faults.push({
        path,
        message: `"${text}" names no device: write {device} for its level, or {gateway} for that of a gateway`,
      });
  }
  // The names of a pattern that cannot be read are unknown: do not report the same mistake twice.
  return faults.length > 0 ? faults : segmentFaults(config, names);
}

function segmentFaults(config: RouteConfig, names: ReadonlySet<string>): RouteFault[] {
  const faults: RouteFault[] = [];
  for (const [, name] of (config.device ?? '').matchAll(/\{([^{}]*)\}/g))
    if (!names.has(name ?? ''))
      faults.push({ path: ['device'], message: `{${name}} is no segment of the route's topic` });
  if (config.codec === 'scalar' && config.metric === undefined && !names.has('metric'))
    faults.push({
      path: ['topic'],
      message: 'a scalar needs its metric: name a segment {metric}, or set metric',
    });
  if (config.codec === 'line-protocol' && config.metric !== undefined && !config.metric.includes('{field}'))
    faults.push({
      path: ['metric'],
      message: 'the names of line protocol need {field}, such as "{measurement}_{field}"',
    });
  if (config.value_path !== undefined && config.metric === undefined && !names.has('metric'))
    faults.push({
      path: ['value_path'],
      message: 'the value needs its metric: name a segment {metric}, or set metric',
    });
  return faults;
}
