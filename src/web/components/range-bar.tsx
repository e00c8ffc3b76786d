import { usePage } from '../context.ts';
import { PRESETS, type Range, boundsOf, moved, zoomed } from '../plot/ranges.ts';
import { Icon } from './icon.tsx';
import { Segmented } from './segmented.tsx';

/** Which time the plots show. */
export function RangeBar({
  range,
  onRange,
}: {
  readonly range: Range;
  readonly onRange: (range: Range) => void;
}) {
  const { daemon, time } = usePage();
  const nowMs = daemon.nowMs();
  const bounds = boundsOf(range, nowMs);
  const chosen =
    range.kind === 'last' ? PRESETS.find(({ seconds }) => seconds === range.seconds)?.key : undefined;
  return (
    <div class="range-bar">
      <Segmented
        legend="Time"
        choices={PRESETS}
        value={chosen}
        onChange={(key) =>
          onRange({ kind: 'last', seconds: PRESETS.find((preset) => preset.key === key)!.seconds })
        }
      />
      <span class="range-steps">
        <button
          type="button"
          class="icon-button"
          aria-label="Earlier"
          title="Earlier"
          onClick={() => onRange(moved(bounds, -0.5, nowMs))}
        >
          <Icon name="left" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Later"
          title="Later"
          disabled={range.kind === 'last'}
          onClick={() => onRange(moved(bounds, 0.5, nowMs))}
        >
          <Icon name="right" />
        </button>
        <button
          type="button"
          class="button small"
          title="Shows twice as much time"
          onClick={() => onRange(zoomed(bounds, 2, nowMs))}
        >
          Zoom out
        </button>
      </span>
      {range.kind === 'fixed' ? (
        <span class="soft small" data-range="fixed">
          {time.point(range.fromMs, 0)} – {time.point(range.toMs, 0)}
        </span>
      ) : null}
    </div>
  );
}
