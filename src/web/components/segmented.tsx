import { useId } from 'preact/hooks';

export interface Choice {
  readonly key: string;
  readonly label: string;
}

/** One of several, as radio buttons: arrow keys move between them. */
export function Segmented({
  legend,
  choices,
  value,
  onChange,
}: {
  readonly legend: string;
  readonly choices: readonly Choice[];
  readonly value: string | undefined;
  readonly onChange: (key: string) => void;
}) {
  const name = useId();
  return (
    <fieldset>
      <legend class="unseen">{legend}</legend>
      <div class="segmented">
        {choices.map(({ key, label }) => (
          <label key={key}>
            <input
              type="radio"
              name={name}
              value={key}
              checked={key === value}
              onChange={() => onChange(key)}
            />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
