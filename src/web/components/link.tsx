import type { ComponentChildren } from 'preact';
import { usePage } from '../context.ts';
import type { LinkedView, Parameters } from '../navigation.ts';

/** Whether a click is meant for this window: others open a tab, or download. */
const plain = (event: MouseEvent): boolean =>
  event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

/** A link to another view, without loading the page again. */
export function Link({
  view,
  query,
  children,
  class: className,
  current = false,
}: {
  readonly view: LinkedView;
  readonly query?: Parameters;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly current?: boolean;
}) {
  const { navigation } = usePage();
  return (
    <Anchor
      href={navigation.href(view, query)}
      {...(className === undefined ? {} : { class: className })}
      current={current}
    >
      {children}
    </Anchor>
  );
}

export function Anchor({
  href,
  children,
  class: className,
  current = false,
}: {
  readonly href: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly current?: boolean;
}) {
  const { navigation } = usePage();
  return (
    <a
      href={href}
      class={className}
      aria-current={current ? 'page' : undefined}
      onClick={(event) => {
        if (!plain(event)) return;
        event.preventDefault();
        navigation.go(href);
      }}
    >
      {children}
    </a>
  );
}
