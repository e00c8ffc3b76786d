import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon.tsx';
import { words } from '../format/words.ts';

export type Tone = 'ok' | 'info' | 'warning' | 'critical' | 'neutral';

export function Badge({
  tone,
  icon,
  children,
  title,
}: {
  readonly tone: Tone;
  readonly icon?: IconName;
  readonly children: ComponentChildren;
  readonly title?: string | undefined;
}) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {icon === undefined ? null : <Icon name={icon} size={14} />}
      {children}
    </span>
  );
}

const SEVERITIES = words<readonly [Tone, IconName, string]>({
  critical: ['critical', 'critical', 'Critical'],
  warning: ['warning', 'warning', 'Warning'],
  info: ['info', 'info', 'Info'],
});

export const severityTone = (severity: string): Tone => SEVERITIES.get(severity)?.[0] ?? 'neutral';

export function SeverityBadge({ severity }: { readonly severity: string }) {
  const [tone, icon, word] = SEVERITIES.get(severity) ?? (['neutral', 'info', severity] as const);
  return (
    <Badge tone={tone} icon={icon}>
      {word}
    </Badge>
  );
}

/** Meanings of the states of an alert, in the words of the page. */
const ALERT_STATES = words<readonly [IconName, string, string]>({
  pending: [
    'pending',
    'Pending',
    'The value is beyond its limit, but not yet for as long as the rule demands.',
  ],
  firing: ['bell', 'Firing', 'The value is beyond its limit.'],
  recovering: ['pending', 'Recovering', 'The value is back, but not yet for as long as the rule demands.'],
  latched: ['bell', 'Held', 'The value is back; the rule keeps the alert until it is resolved by hand.'],
  resolved: ['ok', 'Resolved', 'The alert is over.'],
});

export function AlertStateBadge({ state }: { readonly state: string }) {
  const [icon, word, meaning] = ALERT_STATES.get(state) ?? (['info', state, undefined] as const);
  return (
    <Badge tone={state === 'resolved' ? 'ok' : 'neutral'} icon={icon} title={meaning}>
      {word}
    </Badge>
  );
}

const SENSOR_STATES = words<readonly [Tone, IconName, string, string]>({
  ok: ['ok', 'ok', 'OK', 'It sends, and every value is inside its limits.'],
  alert: ['critical', 'bell', 'Alert', 'A value is beyond its limit.'],
  silent: ['warning', 'silent', 'Silent', 'It stopped sending.'],
  never: [
    'neutral',
    'info',
    'Never sent',
    'It is declared in the configuration, and has not sent a reading.',
  ],
  retired: ['neutral', 'info', 'Retired', 'Nothing is expected of it, and no rule applies to it.'],
});

export function SensorStateBadge({ state }: { readonly state: string }) {
  const [tone, icon, word, meaning] =
    SENSOR_STATES.get(state) ?? (['neutral', 'info', state, undefined] as const);
  return (
    <Badge tone={tone} icon={icon} title={meaning}>
      {word}
    </Badge>
  );
}
