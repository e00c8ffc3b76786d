import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { asProblem } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';
import { ProblemNotice } from './notice.tsx';

/** A question with a form. The browser keeps the focus inside, closes it with Escape, and gives the focus back. */
export function Dialog({
  title,
  children,
  action,
  onSubmit,
  onClose,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Label of the button that does it. */
  readonly action: string;
  /** Closes when it resolves; a failure is shown and the form stays. */
  readonly onSubmit: (form: FormData) => Promise<void>;
  readonly onClose: () => void;
}) {
  const id = useId();
  const ref = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem>();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const submit = async (form: HTMLFormElement): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await onSubmit(new FormData(form));
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <dialog class="dialog" ref={ref} aria-labelledby={id} onClose={onClose}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void submit(event.currentTarget);
        }}
      >
        <h2 id={id}>{title}</h2>
        {children}
        {problem === undefined ? null : <ProblemNotice problem={problem} />}
        <div class="buttons">
          <button type="button" class="button" onClick={() => ref.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? 'One moment …' : action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
