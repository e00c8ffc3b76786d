/** Strokes in a box of 16 by 16; the first of each is filled where it says so. */
const PATHS = {
  ok: 'M3 8.5l3.2 3.2L13 4.8',
  info: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 7.2v4M8 4.8v.1',
  warning: 'M8 2L1.6 13.4h12.8zM8 6.4v3.4M8 11.5v.1',
  critical: 'M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3zM8 4.9v3.6M8 11v.1',
  pending: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 4.8V8l2.2 1.6',
  silent: 'M2 2l12 12M5.2 3.6A4 4 0 0 1 12 7v2l1.2 2.2M10 11.2H2.8L4 9V7M6.8 13.6a1.6 1.6 0 0 0 2.4 0',
  bell: 'M4 7a4 4 0 0 1 8 0v2l1.2 2.2H2.8L4 9zM6.6 13.6a1.6 1.6 0 0 0 2.8 0',
  sound: 'M2.2 6v4h2.6L8.4 13V3L4.8 6zM11 5.6a3.6 3.6 0 0 1 0 4.8M12.8 3.8a6 6 0 0 1 0 8.4',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  search: 'M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM10.6 10.6l3.4 3.4',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z',
  auto: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 1.8v12.4M8 5h5M8 8h6M8 11h5',
  user: 'M8 2.2a2.9 2.9 0 1 0 0 5.8 2.9 2.9 0 0 0 0-5.8zM2.6 14a5.4 5.4 0 0 1 10.8 0',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  refresh: 'M13.4 8A5.4 5.4 0 1 1 11.6 4M13.4 1.8V5h-3.2',
  table: 'M2 3h12v10H2zM2 6.4h12M2 9.8h12M6.4 3v10',
  mute: 'M2 2l12 12M2.2 6v4h2.6L8.4 13V3L4.8 6z',
} as const;

export type IconName = keyof typeof PATHS;

/** A mark beside a word that says the same: hidden from screen readers. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
