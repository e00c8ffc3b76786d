import type { Severity } from '../core/alert/model.ts';
import { type Delivery, type OutgoingNotification, SILENCE_MS, statusOf } from '../core/notify/delivery.ts';
import { type MessageTexts, bodyOf, firstOf, titleOf } from '../core/notify/messages.ts';
import { fill } from '../core/notify/text/language.ts';
import { lasting } from '../core/notify/text/moment.ts';
import type { TextContext } from '../core/notify/text/sentence.ts';
import { textsOf } from './fields.ts';
import { type SinkDeps, completed, textContext } from './sink.ts';

type Config = Parameters<typeof textContext>[0] & Parameters<typeof textsOf>[0] & { readonly name: string };

/** A delivery in the words of a sink. */
export interface DeliveryText {
  readonly delivery: Delivery;
  /** The most important of its notifications. */
  readonly first: OutgoingNotification;
  readonly look: Severity | 'resolved';
  readonly title: string;
  readonly body: string;
  readonly context: TextContext;
}

/** Puts deliveries into words, each at the moment of its sending. */
export class DeliveryTexts {
  readonly #config: Config;
  readonly #deps: SinkDeps;
  readonly #texts: MessageTexts;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#texts = textsOf(config);
  }

  get hasBody(): boolean {
    return this.#texts.body !== undefined;
  }

  async of(given: Delivery): Promise<DeliveryText> {
    const delivery = await completed(given, this.#config, this.#deps);
    const context = textContext(this.#config, this.#deps);
    const first = firstOf(delivery);
    return {
      delivery,
      first,
      look: statusOf(first) === 'resolved' ? 'resolved' : first.severity,
      title: titleOf(delivery, this.#texts, context),
      body: bodyOf(delivery, this.#texts, context),
      context,
    };
  }
}

/** Labels of the two buttons or links of a notification. */
export function answerLabels({ language: { messages } }: TextContext): {
  readonly acknowledge: string;
  readonly silence: string;
} {
  const silence = fill(messages.silence, { lasted: lasting(SILENCE_MS / 1000) });
  return { acknowledge: messages.acknowledge, silence };
}
