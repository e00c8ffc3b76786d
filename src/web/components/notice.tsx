import type { ComponentChildren } from 'preact';
import type { ApiProblem } from '../rest/problem.ts';
import { visible } from '../format/visible.ts';
import { Icon, type IconName } from './icon.tsx';

export type NoticeTone = 'ok' | 'info' | 'warning' | 'critical';

const ICONS: Readonly<Record<NoticeTone, IconName>> = {
  ok: 'ok',
  info: 'info',
  warning: 'warning',
  critical: 'critical',
};

export function Notice({
  tone,
  children,
}: {
  readonly tone: NoticeTone;
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`notice ${tone}`}>
      <Icon name={ICONS[tone]} />
      <div class="notice-text">{children}</div>
    </div>
  );
}

/** A failure with what to do about it. */
export function ProblemNotice({
  problem,
  onRetry,
}: {
  readonly problem: ApiProblem;
  readonly onRetry?: (() => void) | undefined;
}) {
  return (
    <div role="alert">
      <Notice tone="critical">
        <strong>{visible(problem.title)}</strong>
        {problem.detail === undefined ? null : <span class="break">{visible(problem.detail)}</span>}
        {problem.fields.map(({ pointer, detail }) => (
          <span class="break" key={pointer}>
            <code>{pointer}</code>: {visible(detail)}
          </span>
        ))}
        {problem.remedy === undefined ? null : <span class="break">{visible(problem.remedy)}</span>}
        {onRetry === undefined ? null : (
          <span>
            <button type="button" class="button small" onClick={onRetry}>
              Try again
            </button>
          </span>
        )}
      </Notice>
    </div>
  );
}

export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

export const Loading = ({ what }: { readonly what: string }) => (
  <p class="loading" role="status">
    Loading {what} …
  </p>
);
