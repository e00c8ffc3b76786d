import type { EventData } from '../../api/contract/events.ts';
import { visible } from '../format/visible.ts';
import type { Daemon } from './daemon.ts';
import { Store } from './store.ts';

export interface AnnouncerSettings {
  readonly desktop: boolean;
  readonly sound: boolean;
}

const KEY = 'fieldwatch.announce';
/** The events that are announced to screen readers at once. */
const LOUD = new Set<string>(['firing', 'escalated']);

/** Desktop notifications and a sound for alerts that begin, where the reader wants them. */
export class Announcer {
  readonly settings: Store<AnnouncerSettings>;
  #audio: AudioContext | undefined;

  constructor(daemon: Daemon, open: (alertId: string) => void) {
    this.settings = new Store(read());
    daemon.bus.on('alert', (event) => this.#announce(event, open));
  }

  /** Browsers notify only from pages of HTTPS or of the machine itself. */
  get desktopPossible(): boolean {
    return 'Notification' in globalThis && isSecureContext;
  }

  get wanted(): boolean {
    return this.settings.value.desktop || this.settings.value.sound;
  }

  /** Asks the browser where it has to; whether it is on afterwards. */
  async setDesktop(on: boolean): Promise<boolean> {
    const granted = on && this.desktopPossible && (await Notification.requestPermission()) === 'granted';
    this.#keep({ ...this.settings.value, desktop: granted });
    return granted;
  }

  setSound(on: boolean): void {
    this.#keep({ ...this.settings.value, sound: on });
    // A browser allows sound only after a gesture: this is one.
    if (on) this.beep(660);
  }

  beep(hertz: number): void {
    this.#audio ??= new AudioContext();
    const { currentTime } = this.#audio;
    const tone = this.#audio.createOscillator();
    const volume = this.#audio.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.15, currentTime);
    volume.gain.exponentialRampToValueAtTime(0.001, currentTime + 0.5);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start();
    tone.stop(currentTime + 0.5);
  }

  #announce({ event, alert }: EventData<'alert'>, open: (alertId: string) => void): void {
    if (!LOUD.has(event) || alert.severity === 'info' || alert.deferredBy !== null) return;
    if (this.settings.value.sound) this.beep(alert.severity === 'critical' ? 880 : 660);
    if (!this.settings.value.desktop || !this.desktopPossible || Notification.permission !== 'granted')
      return;
    const shown = new Notification(`${alert.severity}: ${visible(alert.name ?? alert.sensor)}`, {
      body: visible(alert.message ?? alert.alertType),
      tag: alert.alertId ?? `${alert.sensor} ${alert.alertType}`,
    });
    shown.onclick = () => {
      globalThis.focus();
      if (alert.alertId !== null) open(alert.alertId);
      shown.close();
    };
  }

  #keep(settings: AnnouncerSettings): void {
    this.settings.set(settings);
    try {
      localStorage.setItem(KEY, JSON.stringify(settings));
    } catch {
      // Without storage it holds for as long as the page is open.
    }
  }
}

function read(): AnnouncerSettings {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<AnnouncerSettings>;
    return { desktop: kept.desktop === true, sound: kept.sound === true };
  } catch {
    return { desktop: false, sound: false };
  }
}
