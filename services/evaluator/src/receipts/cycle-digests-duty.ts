import type { ChainHead } from "@assay/chain/chain-client";
import type { Signer } from "@assay/chain/hotkey";
import { hasDigests } from "@assay/checkpoint/digest-cycles";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { sealCycleDigests } from "@assay/core/cycle-digests/cycle-digests";
import { cycleFacts, type MergeOutcome } from "@assay/core/cycle-digests/cycle-facts";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { MERGE_STEP } from "../merging/note-merge-end.ts";
import { hasBundle, readBundle, writeDigests } from "./write-receipts.ts";

export interface CycleDigestsComponents {
  readonly signer: Pick<Signer, "sign">;
  readonly ledger: Ledger;
  readonly layout: CheckpointLayout;
  readonly logger: Logger;
}

/**
 * Shows what other validators compare with theirs: once a cycle's bundle is written and its merge has ended, the digests
 * of both.
 *
 * They follow from the bundle and from what the ledger says of the merge, neither of which changes any more, so a restart
 * or a lost file ends with the same root. They go when their bundle goes.
 */
export class CycleDigestsDuty implements Duty {
  readonly name = "cycle-digests";
  readonly #components: CycleDigestsComponents;
  /** Cycles whose digests were seen on disk. */
  readonly #there = new Set<number>();

  constructor(components: CycleDigestsComponents) {
    this.#components = components;
  }

  async run(_head: ChainHead, signal: AbortSignal): Promise<void> {
    const bundles = await this.#components.ledger.receipts.bundles();
    for (const { cycle } of bundles.toReversed()) {
      if (signal.aborted) return;
      if (!this.#there.has(cycle) && (await this.#isDue(cycle))) {
        await this.#write(cycle);
        this.#there.add(cycle);
      }
    }
    this.#forgetBefore(bundles[0]?.cycle ?? 0);
  }

  async #isDue(cycle: number): Promise<boolean> {
    const { ledger, layout } = this.#components;
    return (await ledger.steps.done(cycle, MERGE_STEP)) && (await hasBundle(layout, cycle));
  }

  async #write(cycle: number): Promise<void> {
    const { signer, ledger, layout, logger } = this.#components;
    if (await hasDigests(layout, cycle)) return;
    const bundle = await readBundle(layout, cycle);
    const facts = cycleFacts(bundle, await mergeOutcome(ledger, cycle));
    const digests = sealCycleDigests(facts, bundle.header, (bytes) => encodeBase64Url(signer.sign(bytes)));
    await writeDigests(layout, digests);
    logger.info("Wrote digests", { cycle, result: facts.merge.result, root: digests.root.slice(0, 12) });
  }

  #forgetBefore(oldest: number): void {
    for (const cycle of this.#there) if (cycle < oldest) this.#there.delete(cycle);
  }
}

/** How a cycle's merge ended; an older release recorded no end beside the version that it published. */
async function mergeOutcome(ledger: Ledger, cycle: number): Promise<MergeOutcome> {
  const [end, merge] = await Promise.all([ledger.mergeEnds.get(cycle), ledger.merges.get(cycle)]);
  const published = merge === null ? null : { version: merge.version, digest: merge.digest };
  const { members = [], agreed = null, result = published === null ? "nothing" : "published" } = end ?? {};
  return { members: members.toSorted(), agreed, result, published };
}
