import type { Logger } from '../ports/metrics.ts';

type Release = () => Promise<void> | void;

/**
 * Acquired resources, released last in, first out. Registered where it is acquired, so that a start that fails half-way
 * gives back all it took.
 */
export class CleanupStack {
  private readonly stack: { readonly what: string; readonly release: Release }[] = [];
  private readonly logger: Logger;
  private releasing: Promise<void> | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  add(what: string, release: Release): void {
    this.stack.push({ what, release });
  }

  /** All is being released, or has been: what fails from now on may fail because of that. */
  get ending(): boolean {
    return this.releasing !== undefined;
  }

  /** Idempotent, safe to call twice at once; one failure does not keep the rest from being released. */
  releaseAll(): Promise<void> {
    this.releasing ??= this.run();
    return this.releasing;
  }

  private async run(): Promise<void> {
    for (let next = this.stack.pop(); next !== undefined; next = this.stack.pop()) {
      try {
        await next.release();
      } catch (error) {
        this.logger.error({ what: next.what, err: error }, 'stopping failed');
      }
    }
  }
}
