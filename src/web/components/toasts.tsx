import { usePage } from '../context.ts';
import { visible } from '../format/visible.ts';
import { useStore } from '../hooks.ts';
import { Icon } from './icon.tsx';

export function ToastList() {
  const { toasts } = usePage();
  const list = useStore(toasts.list);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {list.map(({ id, tone, text }) => (
        <div class={`toast ${tone}`} key={id}>
          <Icon name={tone} />
          <span class="toast-text">{visible(text)}</span>
          <button type="button" class="icon-button" aria-label="Close" onClick={() => toasts.close(id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
