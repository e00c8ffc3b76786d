import { shortened, visible } from '../format/visible.ts';

/** A text of a device or a user: isolated from the direction of its surroundings, and without hidden characters. */
export function Name({ text, most = 120 }: { readonly text: string; readonly most?: number }) {
  const shown = visible(text);
  const short = shortened(shown, most);
  return <bdi title={short === shown ? undefined : shown}>{short}</bdi>;
}

/** A text of another system, however long it is. */
export const Foreign = ({ text }: { readonly text: string }) => <bdi>{visible(text)}</bdi>;
