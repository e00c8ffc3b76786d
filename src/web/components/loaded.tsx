import type { ComponentChildren } from 'preact';
import type { Resource } from '../hooks.ts';
import type { ApiProblem } from '../rest/problem.ts';
import { Loading, ProblemNotice } from './notice.tsx';

/** In the place of what has not been read yet: that it is being read, or why it cannot be. */
export const NotLoaded = ({
  what,
  problem,
  onRetry,
}: {
  readonly what: string;
  readonly problem: ApiProblem | undefined;
  readonly onRetry: () => void;
}) =>
  problem === undefined ? <Loading what={what} /> : <ProblemNotice problem={problem} onRetry={onRetry} />;

/** The items of a flush card; `empty` where there are none. When a later request fails, its problem stands above the items of the last one. */
export function LoadedItems<Item, List extends { readonly items: readonly Item[] }>({
  of: { data, problem, reload },
  what,
  empty,
  children,
}: {
  readonly of: Pick<Resource<List>, 'data' | 'problem' | 'reload'>;
  readonly what: string;
  readonly empty: ComponentChildren;
  readonly children: (list: List) => ComponentChildren;
}) {
  return (
    <>
      {problem === undefined ? null : (
        <div class="card-body">
          <ProblemNotice problem={problem} onRetry={reload} />
        </div>
      )}
      {data === undefined ? (
        problem === undefined ? (
          <Loading what={what} />
        ) : null
      ) : data.items.length === 0 ? (
        empty
      ) : (
        children(data)
      )}
    </>
  );
}
