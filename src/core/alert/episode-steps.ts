/** What happens in the course of an episode; `started` is its first breaching reading. */
export const EPISODE_STEPS = [
  'started',
  'firing',
  'escalated',
  'deescalated',
  'reminder',
  'flapping_start',
  'flapping_end',
  'acked',
  'resolved',
] as const;
export type EpisodeStepName = (typeof EPISODE_STEPS)[number];
