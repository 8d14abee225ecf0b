import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockNumber, Netuid } from "@assay/core/units";
import { isStakeTooLow, lacksPermit } from "@assay/core/weights/obstacles";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import type { Waiting } from "./waiting.ts";

/** Blocks between two looks while all is well; while we wait it is every block. */
const LOOK_EVERY_BLOCKS = 5;

export interface StandingComponents {
  readonly chain: ChainClient;
  readonly waiting: Waiting;
  readonly logger: Logger;
}

/** What our hotkey lacks on the subnet, the gravest first. */
type Lack = "not_registered" | "no_permit" | "stake_too_low";
const LACKS: readonly Lack[] = ["not_registered", "no_permit", "stake_too_low"];

const WORDS: Readonly<Record<Lack, string>> = {
  not_registered: "The hotkey is not registered on the subnet",
  no_permit: "The hotkey has no validator permit",
  stake_too_low: "The hotkey's stake is below the chain's threshold for weights",
};

/**
 * Keeps an eye on our own neuron: without a slot, a permit or stake the validator waits instead of failing, and goes on
 * by itself when the chain gives them to it.
 */
export class StandingDuty implements Duty {
  readonly name = "standing";
  readonly #components: StandingComponents;
  readonly #netuid: Netuid;
  #lookedAt: BlockNumber | null = null;

  constructor(components: StandingComponents, { netuid }: { readonly netuid: Netuid }) {
    this.#components = components;
    this.#netuid = netuid;
  }

  async run(head: ChainHead): Promise<void> {
    const { chain, waiting } = this.#components;
    const isWaiting = LACKS.some((lack) => waiting.has(lack));
    const every = isWaiting ? 1 : LOOK_EVERY_BLOCKS;
    if (this.#lookedAt !== null && head.number - this.#lookedAt < every) return;
    this.#show(lackOf(await chain.snapshot(this.#netuid, head.hash), chain.hotkey), head);
    this.#lookedAt = head.number;
  }

  #show(lack: Lack | null, { number: block }: ChainHead): void {
    const { waiting, logger } = this.#components;
    const before = LACKS.find((each) => waiting.has(each)) ?? null;
    if (before === lack) return;
    for (const each of LACKS) if (each !== lack) waiting.end(each);
    if (lack === null) {
      logger.info("The hotkey can validate again", { netuid: this.#netuid, block });
    } else {
      waiting.begin(lack, WORDS[lack]);
      logger.warn(`Waiting: ${WORDS[lack]}`, { netuid: this.#netuid, block, reason: lack });
    }
  }
}

function lackOf(snapshot: ChainSnapshot, hotkey: string | null): Lack | null {
  const own = snapshot.neurons.find((neuron) => neuron.hotkey === hotkey);
  if (own === undefined) return "not_registered";
  if (lacksPermit(own, snapshot)) return "no_permit";
  return isStakeTooLow(own, snapshot) ? "stake_too_low" : null;
}
