import { PRESETS, presetNamed } from '../core/ingest/preset/index.ts';
import type { Recognition } from '../core/ingest/preset/recognition.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { type RouterOptions, compileRoutes } from '../core/ingest/route.ts';

/** An ecosystem that was recognised: the route that reads it. */
export interface Ecosystem {
  readonly route: RouteConfig;
  /** Number of messages that support it. */
  readonly evidence: number;
  /** Whether one of them measured something. */
  readonly telemetry: boolean;
}

interface Finding {
  readonly route: RouteConfig;
  evidence: number;
  telemetry: boolean;
}

/** The ecosystems that the presets recognise. What one is sure of, no other claims. */
export function recogniseEcosystems(messages: readonly Observed[], options: RouterOptions): Ecosystem[] {
  const sure = new Map<string, Finding>();
  const perhaps: { readonly preset: string; readonly message: Observed; readonly found: Recognition }[] = [];
  for (const message of messages) {
    const recognised = recognise(message);
    if (recognised === undefined) continue;
    if (recognised.found.weak === true) perhaps.push({ ...recognised, message });
    else note(sure, recognised.preset, recognised.found);
  }
  const router = compileRoutes(routesOf(sure), options);
  for (const { preset, message, found } of perhaps)
    if (router.routeOf(message.topic) === 'no_match') note(sure, preset, found);
  return [...sure.values()];
}

function recognise(message: Observed): { preset: string; found: Recognition } | undefined {
  let weak: { preset: string; found: Recognition } | undefined;
  for (const preset of PRESETS) {
    const found = preset.recognise?.(message);
    if (found === undefined) continue;
    if (found.weak !== true) return { preset: preset.name, found };
    weak ??= { preset: preset.name, found };
  }
  return weak;
}

function note(into: Map<string, Finding>, preset: string, { config, telemetry }: Recognition): void {
  const key = `${preset} ${JSON.stringify(config)}`;
  const finding = into.get(key) ?? { route: { preset, ...config }, evidence: 0, telemetry: false };
  into.set(key, finding);
  finding.evidence++;
  finding.telemetry ||= telemetry;
}

const routesOf = (findings: ReadonlyMap<string, Finding>): RouteConfig[] =>
  [...findings.values()].map(({ route }) => route);

/** The time of a message where it is text without an offset, as the preset of its route finds it. */
export function localTimeOf(route: RouteConfig, message: Observed): string | undefined {
  const preset = route.preset === undefined ? undefined : presetNamed(route.preset);
  return preset?.recognise?.(message)?.localTime;
}
