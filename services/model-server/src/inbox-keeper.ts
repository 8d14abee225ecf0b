import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Logger } from "@assay/runtime/logging/logger";

/** Opens the inbox for uploads and lets go of rounds that nobody needs any more. */
export class InboxKeeper {
  readonly #inbox: Inbox;
  readonly #logger: Logger;
  readonly #roundsKept: number;

  constructor(
    { inbox, logger }: { readonly inbox: Inbox; readonly logger: Logger },
    { roundsKept }: { readonly roundsKept: number },
  ) {
    this.#inbox = inbox;
    this.#logger = logger;
    this.#roundsKept = roundsKept;
  }

  async start(_signal: AbortSignal): Promise<void> {
    await this.#inbox.start();
  }

  async stop(): Promise<void> {}

  /** Removes all rounds but the newest ones. */
  async expire(): Promise<void> {
    const rounds = await this.#inbox.rounds();
    const oldestKept = rounds.at(-Math.max(1, this.#roundsKept));
    const removed = oldestKept === undefined ? 0 : await this.#inbox.expire(oldestKept);
    if (removed > 0) {
      this.#logger.info("Removed old rounds from the inbox", { rounds: removed });
    }
  }
}
