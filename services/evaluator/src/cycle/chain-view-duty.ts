import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import { parseCommitment } from "@assay/core/commitment/payload";
import { announcedGroups } from "@assay/core/commitment/two-phase";
import { type PhaseAt, phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import type { SessionKey } from "@assay/core/messages/session-key";
import { groupCount, type Network } from "@assay/core/network";
import type { ChainCommitment, Neuron } from "@assay/core/round/snapshot";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Clock } from "@assay/runtime/time/clock";
import type { SessionKeySigner } from "../signing/session-key-signer.ts";
import type { Duty } from "./duty.ts";

/** Blocks after which the list of neurons is read again, beside every change of phase. */
const NEURONS_REFRESH_BLOCKS = 25;

export interface ChainViewComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly layout: CheckpointLayout;
  readonly sessionKeys: Pick<SessionKeySigner, "current">;
  readonly clock: Clock;
}

export interface ChainViewOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

/**
 * Keeps `state/chain-view.json` true: all that the model server may know of the chain, replaced on every block.
 *
 * Neurons are read at each change of phase, commitments on every block of the phases in which they matter.
 */
export class ChainViewDuty implements Duty {
  readonly name = "chain-view";
  readonly #components: ChainViewComponents;
  readonly #options: ChainViewOptions;
  #neurons: readonly Neuron[] = [];
  #commitments: readonly ChainCommitment[] = [];
  #readAt: PhaseAt | null = null;
  #writtenFor: BlockNumber | null = null;

  constructor(components: ChainViewComponents, options: ChainViewOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    if (head.number === this.#writtenFor) return;
    const at = phaseAt(head.number, this.#options.network.schedule);
    await this.#refresh(head, at);
    const { sessionKeys, layout } = this.#components;
    const [roster, sessionKey] = [await this.#roster(at), await sessionKeys.current(head.number)];
    await writeJsonAtomic(layout.chainView, this.#view(at, roster, sessionKey));
    this.#writtenFor = head.number;
  }

  async #refresh(head: ChainHead, at: PhaseAt): Promise<void> {
    const { chain, ledger } = this.#components;
    const { netuid } = this.#options;
    const last = this.#readAt;
    const stale = last === null || last.firstBlock !== at.firstBlock || at.block - last.block >= NEURONS_REFRESH_BLOCKS;
    if (stale) {
      const snapshot = await chain.snapshot(netuid, head.hash);
      this.#neurons = snapshot.neurons;
      this.#commitments = snapshot.commitments;
      this.#readAt = at;
    } else if (at.phase === "minerCommit2" || at.phase === "submission" || this.#someoneHasNoGroup()) {
      this.#commitments = await chain.commitments(netuid, head.hash);
    } else {
      return;
    }
    const known = await ledger.groups.known();
    for (const [hotkey, group] of announcedGroups(this.#commitments)) {
      if (group >= groupCount(this.#options.network) || known.get(hotkey) === group) continue;
      await ledger.groups.remember(hotkey, group, head.number);
    }
  }

  #someoneHasNoGroup(): boolean {
    const committed = new Set(this.#commitments.map((each) => each.hotkey));
    return this.#neurons.some((neuron) => !neuron.validatorPermit && !committed.has(neuron.hotkey));
  }

  async #roster(at: PhaseAt): Promise<ChainViewRosterEntry[]> {
    const groups = await this.#components.ledger.groups.known();
    const hashes = this.#committedHashes(at);
    return this.#neurons.map((neuron) => ({
      uid: neuron.uid,
      hotkey: neuron.hotkey,
      role: neuron.validatorPermit ? "validator" : "miner",
      group: groups.get(neuron.hotkey) ?? null,
      committedHash: hashes.get(neuron.hotkey) ?? null,
    }));
  }

  /** Only hashes committed in the second commit phase of the running cycle count. */
  #committedHashes(at: PhaseAt): Map<string, string> {
    const window = phaseWindow(at.cycle, "minerCommit2", this.#options.network.schedule);
    const hashes = new Map<string, string>();
    for (const commitment of this.#commitments) {
      if (commitment.block < window.firstBlock || commitment.block > window.lastBlock) continue;
      const parsed = parseCommitment(commitment.bytes);
      if (parsed.ok && parsed.value.hash !== undefined) hashes.set(commitment.hotkey, parsed.value.hash);
    }
    return hashes;
  }

  #view(at: PhaseAt, roster: ChainViewRosterEntry[], sessionKey: SessionKey | null): ChainView {
    const { netuid, network } = this.#options;
    return {
      schema: 1,
      netuid,
      block: at.block,
      cycle: at.cycle,
      phase: at.phase,
      phaseFirstBlock: at.firstBlock,
      phaseLastBlock: at.lastBlock,
      nextDistributeBlock: this.#next(at, "distribute"),
      nextSubmissionBlock: this.#next(at, "submission"),
      blockMillis: network.blockMillis,
      updatedAt: this.#components.clock.now(),
      validatorHotkey: this.#components.chain.hotkey ?? "",
      ...(sessionKey !== null && { sessionKey }),
      roster,
    };
  }

  #next(at: PhaseAt, phase: "distribute" | "submission"): number {
    const window = phaseWindow(at.cycle, phase, this.#options.network.schedule);
    if (at.block <= window.lastBlock) return window.firstBlock;
    return phaseWindow(at.cycle + 1, phase, this.#options.network.schedule).firstBlock;
  }
}
