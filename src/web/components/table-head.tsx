import type { ComponentChildren } from 'preact';

export interface Column {
  readonly label: ComponentChildren;
  /** Figures: aligned at their end. */
  readonly number?: boolean;
  /** Named for a screen reader alone. */
  readonly unseen?: boolean;
}

/** The head of a table: a name for each column. */
export const TableHead = ({ columns }: { readonly columns: readonly (string | Column)[] }) => (
  <thead>
    <tr>
      {columns.map((column, at) => {
        const {
          label,
          number = false,
          unseen = false,
        } = typeof column === 'string' ? { label: column } : column;
        return (
          <th scope="col" key={at} class={number ? 'number' : undefined}>
            {unseen ? <span class="unseen">{label}</span> : label}
          </th>
        );
      })}
    </tr>
  </thead>
);
