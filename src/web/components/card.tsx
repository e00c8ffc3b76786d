import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

/** A part of a view with a heading. */
export function Card({
  title,
  note,
  side,
  children,
  flush = false,
}: {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly side?: ComponentChildren;
  readonly children: ComponentChildren;
  /** The content reaches the edges: a table. */
  readonly flush?: boolean;
}) {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>{title}</h2>
        {side}
        {note === undefined ? null : <p class="card-note">{note}</p>}
      </div>
      {flush ? children : <div class="card-body">{children}</div>}
    </section>
  );
}

/** One figure with what it means. */
export function Figure({
  label,
  value,
  unit,
  note,
  tone = '',
}: {
  readonly label: string;
  readonly value: ComponentChildren;
  readonly unit?: string | undefined;
  readonly note?: ComponentChildren;
  readonly tone?: '' | 'bad' | 'warn';
}) {
  return (
    <dl class={`card figure ${tone}`}>
      <dt>{label}</dt>
      <dd class="value">
        {value}
        {unit === undefined || unit === '' ? null : <span class="unit"> {unit}</span>}
      </dd>
      {note === undefined ? null : <dd class="note">{note}</dd>}
    </dl>
  );
}
