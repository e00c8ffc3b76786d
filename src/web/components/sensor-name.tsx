import { Link } from './link.tsx';
import { Name } from './text.tsx';

/** A sensor by its name for people, with its key where that is another one. */
export function SensorName({
  sensor,
  name,
  location,
  range,
}: {
  readonly sensor: string;
  readonly name: string | null;
  readonly location?: string | null | undefined;
  readonly range?: string;
}) {
  return (
    <span class="sensor-name">
      <Link view="sensor" query={{ key: sensor, range }}>
        <Name text={name ?? sensor} most={60} />
      </Link>
      {name === null || name === sensor ? null : (
        <span class="soft small">
          {' '}
          <Name text={sensor} most={60} />
        </span>
      )}
      {location === null || location === undefined ? null : (
        <span class="soft small">
          {' '}
          · <Name text={location} most={40} />
        </span>
      )}
    </span>
  );
}
