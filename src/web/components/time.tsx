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

/** The same to the second, for a course of events. */
export function Exactly({ at }: { readonly at: string }) {
  const { now, time } = usePage();
  const ms = Date.parse(at);
  const text = useSelected(now, (nowMs) => time.short(ms, nowMs).replace(/\d\d:\d\d$/, time.clock(ms)));
  return (
    <time dateTime={at} title={time.full(ms)}>
      {text}
    </time>
  );
}

/** How long something lasts that began then, or lasted. */
export function Lasting({ from, to }: { readonly from: string; readonly to: string | null }) {
  const { now } = usePage();
  const nowMs = useStore(now);
  const seconds = ((to === null ? nowMs : Date.parse(to)) - Date.parse(from)) / 1000;
  return <span>{durationText(Math.max(0, Math.round(seconds)))}</span>;
}
