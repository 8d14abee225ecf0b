import type { ChainHead } from "@assay/chain/chain-client";
import type { Duty } from "../cycle/duty.ts";

/** A duty that is not asked while it could only fail; as duties find out what is due, nothing is lost. */
export class RestingDuty implements Duty {
  readonly name: string;
  readonly #duty: Duty;
  readonly #rests: () => boolean;

  constructor(duty: Duty, rests: () => boolean) {
    this.name = duty.name;
    this.#duty = duty;
    this.#rests = rests;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    if (!this.#rests()) await this.#duty.run(head, signal);
  }
}
