import { useId } from 'preact/hooks';
import { shortened, visible } from '../format/visible.ts';

/** One of the values that there are, or any. */
export function Select({
  label,
  any,
  options,
  value,
  onChange,
}: {
  readonly label: string;
  /** Its text without a choice. */
  readonly any: string;
  readonly options: readonly string[];
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
}) {
  const id = useId();
  const shown = value === undefined || options.includes(value) ? options : [value, ...options];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        class="select"
        value={value ?? ''}
        onChange={({ currentTarget }) =>
          onChange(currentTarget.value === '' ? undefined : currentTarget.value)
        }
      >
        <option value="">{any}</option>
        {shown.map((option) => (
          <option key={option} value={option}>
            {shortened(visible(option), 60)}
          </option>
        ))}
      </select>
    </div>
  );
}
