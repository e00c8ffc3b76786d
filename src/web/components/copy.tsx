import { useRef, useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

/** Text to copy. Without the clipboard (a page that is not on localhost and not HTTPS) it is selected instead. */
export function CodeBlock({
  text,
  label,
  wrap = false,
}: {
  readonly text: string;
  /** Its name, for screen readers. */
  readonly label: string;
  readonly wrap?: boolean;
}) {
  const pre = useRef<HTMLPreElement>(null);
  const [done, setDone] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setDone('Copied');
    } catch {
      if (pre.current !== null) getSelection()?.selectAllChildren(pre.current);
      setDone('Selected: press Ctrl+C');
    }
  };
  return (
    <div class="code-block">
      <pre ref={pre} class={wrap ? 'wrap' : ''} tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <button type="button" class="button small copy" onClick={() => void copy()}>
        <Icon name="copy" size={14} />
        <span aria-live="polite">{done === '' ? 'Copy' : done}</span>
      </button>
    </div>
  );
}
