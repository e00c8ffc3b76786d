import { sparkPath } from '../plot/scales.ts';

const WIDTH = 96;
const HEIGHT = 22;

/** The shape of the last day in a cell; its figures are beside it. */
export function Sparkline({ values }: { readonly values: readonly (number | null)[] }) {
  return (
    <svg
      class="spark"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`-2 -2 ${WIDTH + 4} ${HEIGHT + 4}`}
      aria-hidden="true"
      focusable="false"
    >
      <path
        d={sparkPath(values, WIDTH, HEIGHT)}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
