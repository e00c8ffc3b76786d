import type { Chunk } from '../../api/contract/storage.ts';
import { usePage } from '../context.ts';
import { bytesText } from '../format/bytes.ts';
import { counted } from '../format/number.ts';

const WIDTH = 1000;
const HEIGHT = 46;

const WORDS: Readonly<Record<Chunk['state'], string>> = {
  row: 'as they came',
  compressed: 'compressed',
  partial: 'compressed, with uncompressed late rows',
};

/** The chunks of a table from left (old) to right: as wide as their span, as high as their size. */
export function ChunkPicture({
  chunks,
  name,
}: {
  readonly chunks: readonly Chunk[] | undefined;
  readonly name: string;
}) {
  const { time } = usePage();
  if (chunks === undefined) return <div class="chunks" />;
  if (chunks.length === 0) return <p class="soft small">No chunks yet: they come with the first rows.</p>;
  const from = Math.min(...chunks.map((chunk) => Date.parse(chunk.from)));
  const to = Math.max(...chunks.map((chunk) => Date.parse(chunk.to)));
  const largest = Math.max(1, ...chunks.map(({ sizeBytes }) => sizeBytes ?? 0));
  const x = (ms: number): number => ((ms - from) / Math.max(1, to - from)) * WIDTH;
  return (
    <div class="chunks">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${counted(chunks.length, 'chunk')} of ${name}, from ${time.day(from)} to ${time.day(to)}`}
      >
        {chunks.map((chunk) => {
          const left = x(Date.parse(chunk.from));
          const width = Math.max(2, x(Date.parse(chunk.to)) - left - 2);
          const height = Math.max(4, ((chunk.sizeBytes ?? 0) / largest) * HEIGHT);
          return (
            <rect
              key={chunk.chunk}
              class={`chunk ${chunk.state}`}
              x={left}
              y={HEIGHT - height}
              width={width}
              height={height}
            >
              <title>
                {`${time.day(Date.parse(chunk.from))} to ${time.day(Date.parse(chunk.to))}: ${bytesText(chunk.sizeBytes)}, ${WORDS[chunk.state]}`}
              </title>
            </rect>
          );
        })}
      </svg>
      <span class="chunk-ends soft small">
        <span>{time.day(from)}</span>
        <span>{time.day(to)}</span>
      </span>
    </div>
  );
}
