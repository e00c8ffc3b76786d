import { useState } from 'preact/hooks';
import type { AddedSilence, NewSilence } from '../../api/contract/silences.ts';
import { usePage } from '../context.ts';
import { parseDuration } from '../format/duration.ts';
import { counted } from '../format/number.ts';
import { ApiProblem } from '../rest/problem.ts';
import { Dialog } from './dialog.tsx';
import { Segmented } from './segmented.tsx';

const ENDS = [
  { key: '1h', label: '1 hour' },
  { key: '4h', label: '4 hours' },
  { key: '1d', label: '1 day' },
  { key: '7d', label: '7 days' },
  { key: 'until', label: 'Until …' },
] as const;

const LABELS: readonly (readonly [label: string, title: string])[] = [
  ['sensor', 'Sensor'],
  ['location', 'Location'],
  ['type', 'Type of the sensor'],
  ['alert_type', 'Type of the alert'],
  ['severity', 'Severity'],
];

const invalid = (title: string, detail: string): ApiProblem =>
  new ApiProblem({ status: 0, code: 'FORM', title, detail });

/** Silences what matches: with a reason and an end, both of which the others see. */
export function SilenceDialog({
  matchers,
  onClose,
  onDone,
}: {
  /** Initial values of the form. */
  readonly matchers: Readonly<Record<string, string>>;
  readonly onClose: () => void;
  readonly onDone?: () => void;
}) {
  const { daemon, toasts, time } = usePage();
  const [end, setEnd] = useState<string>('4h');
  const submit = async (form: FormData): Promise<void> => {
    const text = (name: string): string => {
      const value = form.get(name);
      return typeof value === 'string' ? value.trim() : '';
    };
    const chosen = Object.fromEntries(
      LABELS.map(([label]) => [label, text(label)] as const).filter(([, pattern]) => pattern !== ''),
    );
    if (Object.keys(chosen).length === 0)
      throw invalid('What shall be silenced?', 'Fill in one of the patterns; * stands for any text.');
    const untilMs = time.fromInput(text('until'));
    if (end === 'until' && (untilMs === undefined || untilMs <= daemon.nowMs()))
      throw invalid('When shall it end?', 'Give a time in the future.');
    const silence: NewSilence = {
      matchers: chosen,
      comment: text('comment'),
      ...(end === 'until'
        ? { until: new Date(untilMs!).toISOString() }
        : { forS: parseDuration(end) ?? 14_400 }),
    };
    const { matched } = await daemon.client.post<AddedSilence>('silences', silence);
    toasts.show('ok', `Silenced. It matches ${counted(matched, 'open alert')} now.`);
    daemon.readStatusSoon();
    onDone?.();
  };
  return (
    <Dialog title="Silence" action="Silence" onSubmit={submit} onClose={onClose}>
      <p class="soft">
        Alerts that match go on being raised, stored and shown; they are not notified until the end.
      </p>
      <div class="form-grid">
        {LABELS.map(([label, title]) => (
          <div class="field" key={label}>
            <label for={`silence-${label}`}>{title}</label>
            <input
              id={`silence-${label}`}
              name={label}
              class="input"
              defaultValue={matchers[label] ?? ''}
              placeholder="any"
              autocomplete="off"
              spellcheck={false}
            />
          </div>
        ))}
      </div>
      <div class="field">
        <span class="label">For</span>
        <Segmented legend="For how long" choices={ENDS} value={end} onChange={setEnd} />
        {end === 'until' ? (
          <input
            type="datetime-local"
            name="until"
            class="input"
            required
            aria-label={`End, local time (${time.zoneName(daemon.nowMs())})`}
            defaultValue={time.input(daemon.nowMs() + 8 * 3_600_000)}
          />
        ) : null}
      </div>
      <div class="field">
        <label for="silence-comment">Reason</label>
        <input
          id="silence-comment"
          name="comment"
          class="input"
          required
          maxLength={1000}
          autocomplete="off"
          placeholder="Defrosting until the evening"
        />
      </div>
    </Dialog>
  );
}
