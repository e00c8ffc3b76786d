import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { rowWindow } from './window.ts';

/**
 * The rows of a long table of which only those are drawn that are seen. It scrolls with the document: no second scroll bar, and
 * keys and screen readers find it where they look for it. All rows have one height.
 */
export function VirtualRows({
  count,
  rowHeight,
  columns,
  children,
  onEnd,
  onFirst,
}: {
  readonly count: number;
  readonly rowHeight: number;
  readonly columns: number;
  readonly children: (index: number) => ComponentChildren;
  /** The last rows are near. */
  readonly onEnd: () => void;
  /** The first row that is seen. */
  readonly onFirst: (index: number) => void;
}) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [view, setView] = useState({ top: 0, height: 1200 });
  useEffect(() => {
    let frame = 0;
    const measure = (): void => {
      frame = 0;
      const top = -(body.current?.getBoundingClientRect().top ?? 0);
      const rounded = Math.floor(top / rowHeight) * rowHeight;
      setView((before) =>
        before.top === rounded && before.height === innerHeight
          ? before
          : { top: rounded, height: innerHeight },
      );
    };
    const later = (): void => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', later);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
    };
  }, [rowHeight]);
  const { first, end, above, below } = rowWindow(count, rowHeight, view.top, view.height);
  onFirst(Math.max(0, Math.floor(view.top / rowHeight)));
  useEffect(() => {
    if (count > 0 && end >= count) onEnd();
  }, [end, count]);
  const rows: ComponentChildren[] = [];
  for (let index = first; index < end; index++) rows.push(children(index));
  return (
    <tbody ref={body}>
      <Space height={above} columns={columns} />
      {rows}
      <Space height={below} columns={columns} />
    </tbody>
  );
}

/** In place of the rows that are not drawn. */
function Space({ height, columns }: { readonly height: number; readonly columns: number }) {
  const cell = useRef<HTMLTableCellElement>(null);
  useEffect(() => {
    if (cell.current !== null) cell.current.style.height = `${height}px`;
  }, [height]);
  return (
    <tr class="space" aria-hidden="true" hidden={height === 0}>
      <td ref={cell} colSpan={columns} />
    </tr>
  );
}
