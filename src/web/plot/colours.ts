import { words } from '../format/words.ts';
import type { Colours } from './options.ts';

/** Colours of the theme's names now: a canvas knows no custom properties. */
export function coloursOf(element: HTMLElement): Colours {
  const probe = document.createElement('span');
  probe.hidden = true;
  element.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const style = getComputedStyle(element);
  const found: Colours = {
    text: colour('text-soft'),
    grid: colour('grid'),
    curve: colour('curve'),
    band: colour('curve-band'),
    severity: words({
      critical: colour('critical'),
      warning: colour('warning'),
      info: colour('info'),
    }),
    soft: words({
      critical: colour('critical-soft'),
      warning: colour('warning-soft'),
      info: colour('info-soft'),
    }),
    font: `12px ${style.fontFamily}`,
  };
  probe.remove();
  return found;
}
