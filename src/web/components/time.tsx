import { usePage } from '../context.ts';
import { agoText, durationText } from '../format/duration.ts';
import { useSelected, useStore } from '../hooks.ts';

/** `3 min ago`, with the exact local time and its zone as title. */
export function Ago({ at }: { readonly at: string }) {
  const { now, time } = usePage();
  const ms = Date.parse(at);
  const text = useSelected(now, (nowMs) => agoText(ms, nowMs));
  return (
    <time dateTime={at} title={time.full(ms)}>
      {text}
    </time>
  );
}

/** `14:05`, or with the day where it is another one. */
export function At({ at }: { readonly at: string }) {
  const { now, time } = usePage();
  const ms = Date.parse(at);
  const text = useSelected(now, (nowMs) => time.short(ms, nowMs));
  return (
    <time dateTime={at} title={time.full(ms)}>
      {text}
    </time>
  );
}

const exact = (short: string, clock: string): string => short.replace(/\d\d:\d\d$/, clock);

/** A time to the second, for a course of events. */
export function Exactly({ at }: { readonly at: string }) {
  const { now, time } = usePage();
  const ms = Date.parse(at);
  const text = useSelected(now, (nowMs) => exact(time.short(ms, nowMs), time.clock(ms)));
  return (
    <time dateTime={at} title={time.full(ms)}>
      {text}
    </time>
  );
}

/** Shorter than this, the minutes alone would mostly be the same. */
const SHORT_MS = 600_000;

/** `22:41 – 23:20, 39 min`; with the day where it is another one; of what goes on: `since 22:41, for 39 min`. */
export function Period({ from, to }: { readonly from: string; readonly to: string | null }) {
  const { time } = usePage();
  if (to === null)
    return (
      <span>
        since <At at={from} />, for <Lasting from={from} to={null} />
      </span>
    );
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  const isShort = toMs - fromMs < SHORT_MS;
  const end = time.short(toMs, fromMs);
  return (
    <span>
      {isShort ? <Exactly at={from} /> : <At at={from} />} –{' '}
      <time dateTime={to} title={time.full(toMs)}>
        {isShort ? exact(end, time.clock(toMs)) : end}
      </time>
      , <Lasting from={from} to={to} />
    </span>
  );
}

/** How long something lasts that began then, or lasted. */
export function Lasting({ from, to }: { readonly from: string; readonly to: string | null }) {
  const { now } = usePage();
  const nowMs = useStore(now);
  const seconds = ((to === null ? nowMs : Date.parse(to)) - Date.parse(from)) / 1000;
  return <span>{durationText(Math.max(0, Math.round(seconds)))}</span>;
}
