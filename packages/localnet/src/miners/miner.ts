import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { blockReached } from "@assay/chain/block-reached";
import type { ChainClient } from "@assay/chain/chain-client";
import type { Signer } from "@assay/chain/hotkey";
import { isAppError } from "@assay/core/app-error";
import { type CommitmentPayload, encodeCommitment, parseCommitment } from "@assay/core/commitment/payload";
import type { Phase } from "@assay/core/cycle/phase";
import { phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import { sha256Hex } from "@assay/core/hash/sha256";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import type { BlockNumber, ModelVersion, Sha256Hex } from "@assay/core/units";
import { writeTensors } from "../training/model-folder.ts";
import { untilBlock } from "./block-windows.ts";
import { boundByAnother } from "./bound-by-another.ts";
import { contributionOf, type Train, trains } from "./contribution.ts";
import type { FileServer } from "./file-server.ts";
import type { Journal } from "./journal.ts";
import type { MinerConfig } from "./miner-config.ts";
import { MinerError, MinerErrorCode } from "./miner-error.ts";
import type { ModelSource } from "./model-source.ts";
import { type SubmittedFile, submitFile } from "./submission.ts";

export interface MinerComponents {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly source: ModelSource;
  /** Null for a miner that uploads its file. */
  readonly fileServer: FileServer | null;
  readonly openBench: () => Promise<Train>;
  readonly journal: Journal;
}

/** What the journal says with every step. */
export interface MinerFacts {
  uid: number | null;
  cycle: number | null;
}

/** How long after Submission a late miner submits, and how long it then tries. */
const BLOCKS_LATE = 2;
const BLOCKS_LATE_AT_MOST = 7;
/** Blocks that the first commitment of a miner may take. */
const ANNOUNCEMENT_BLOCKS = 50;

/** One simulated miner: the same steps in every cycle, each in its window of blocks. */
export class Miner {
  private readonly components: MinerComponents;
  private readonly config: MinerConfig;
  private readonly facts: MinerFacts;
  private bench: Train | null = null;

  constructor(components: MinerComponents, config: MinerConfig, facts: MinerFacts) {
    this.components = components;
    this.config = config;
    this.facts = facts;
  }

  /** Mines cycle after cycle until the signal is aborted. */
  async run(signal: AbortSignal): Promise<never> {
    await mkdir(this.config.workDirectory, { recursive: true });
    // Before the first cycle: loading what training needs takes longer than training does.
    if (trains(this.config.kind)) await this.openBench();
    await this.enter();
    await this.announceGroup(signal);
    for (let cycle = this.nextCycle(0); ; cycle = this.nextCycle(cycle + 1)) {
      this.facts.cycle = cycle;
      await this.reached(cycle, "distribute", signal);
      await this.mineCycle(cycle, signal);
    }
  }

  private async enter(): Promise<void> {
    const { chain, signer, journal } = this.components;
    const { neurons } = await chain.snapshot(this.config.netuid, chain.head().hash);
    const neuron = neurons.find(({ hotkey }) => hotkey === signer.address);
    if (neuron === undefined) {
      throw new MinerError(MinerErrorCode.NotRegistered, "The hotkey has no neuron on the subnet", {
        fields: { hotkey: signer.address, netuid: this.config.netuid },
      });
    }
    this.facts.uid = neuron.uid;
    journal("started", { block: chain.head().number, pid: process.pid });
  }

  /** Says which group this miner trains, unless the chain knows: a new commitment replaces the one before. */
  private async announceGroup(signal: AbortSignal): Promise<void> {
    const { chain, signer } = this.components;
    const { group, netuid } = this.config;
    const commitments = await chain.commitments(netuid, chain.head().hash);
    const own = commitments.find(({ hotkey }) => hotkey === signer.address);
    const known = own === undefined ? null : parseCommitment(own.bytes);
    if (known?.ok && known.value.group === group) return;
    await this.commit("announced", { group }, { lastBlock: chain.head().number + ANNOUNCEMENT_BLOCKS, signal });
  }

  /** The first cycle from `earliest` on whose Distribute phase is not over. */
  private nextCycle(earliest: number): number {
    const { schedule } = this.config.network;
    const { number } = this.components.chain.head();
    const { cycle } = phaseAt(number, schedule);
    const isOver = number > phaseWindow(cycle, "distribute", schedule).lastBlock;
    return Math.max(earliest, isOver ? cycle + 1 : cycle);
  }

  private async mineCycle(cycle: number, signal: AbortSignal): Promise<void> {
    const prepared = await this.attempt("prepare_failed", signal, () => this.prepare(cycle, signal));
    if (prepared === null) return;
    const commits = this.config.kind !== "not_committed";
    await Promise.all([
      commits ? this.attempt("commit_failed", signal, () => this.commitHash(cycle, prepared, signal)) : null,
      this.attempt("submit_failed", signal, () => this.submit(cycle, prepared.file, signal)),
    ]);
  }

  /** A failed step is told and left behind; what is no AppError is a bug and ends the miner. */
  private async attempt<T>(event: string, signal: AbortSignal, step: () => Promise<T>): Promise<T | null> {
    try {
      return await step();
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error)) throw error;
      this.components.journal(event, {}, error);
      return null;
    }
  }

  /** Downloads the model and writes the file that will be submitted. */
  private async prepare(
    cycle: number,
    signal: AbortSignal,
  ): Promise<{ readonly file: SubmittedFile; readonly version: ModelVersion }> {
    const { source, journal, fileServer } = this.components;
    const { kind, workDirectory } = this.config;
    const startedAt = performance.now();
    // The server also serves in Train, for those that come late.
    const given = await this.within(cycle, "train", signal, (window) => source.fetchModel(trains(kind), window));
    journal("downloaded", { version: given.version, ms: since(startedAt) });

    const trainedFrom = performance.now();
    const tensors = await this.within(cycle, "train", signal, (window) =>
      contributionOf(given, this.config, { cycle, openBench: () => this.openBench(), signal: window }),
    );
    const path = join(workDirectory, `submission-${cycle % 2}.safetensors`);
    const digest = await writeTensors(path, tensors);
    journal("trained", {
      kind,
      steps: trains(kind) ? this.config.strength : 0,
      sha256: digest.sha256,
      ms: since(trainedFrom),
    });
    const offered = { ...digest, path };
    return { file: { ...offered, url: fileServer?.offer(offered) ?? null }, version: given.version };
  }

  private async openBench(): Promise<Train> {
    this.bench ??= await this.components.openBench();
    return this.bench;
  }

  /** Both commitments, each in its own phase: the signature over the hash first, then the hash. */
  private async commitHash(
    cycle: number,
    { file, version }: { readonly file: SubmittedFile; readonly version: ModelVersion },
    signal: AbortSignal,
  ): Promise<void> {
    const { group, kind } = this.config;
    const hash: Sha256Hex = kind === "wrong_hash" ? sha256Hex(new TextEncoder().encode(file.sha256)) : file.sha256;
    const signature = encodeBase64Url(this.components.signer.sign(new TextEncoder().encode(hash)));
    await this.reached(cycle, "minerCommit1", signal);
    if (kind === "copy") await this.originalCommitted(cycle, hash, signal);
    // Not awaited before the second: finality may come later than the next phase.
    const first = this.commit(
      "committed_signature",
      { group, signature },
      this.deadline(cycle, "minerCommit1", signal),
    );
    const second = this.reached(cycle, "minerCommit2", signal).then(() =>
      this.commit("committed_hash", { group, hash, version }, this.deadline(cycle, "minerCommit2", signal)),
    );
    await Promise.all([first, second]);
  }

  /** The copy is the second on every machine, however busy. */
  private async originalCommitted(cycle: number, hash: Sha256Hex, signal: AbortSignal): Promise<void> {
    const { chain, signer } = this.components;
    const since = this.window(cycle, "minerCommit1").firstBlock;
    const copy = { netuid: this.config.netuid, hotkey: signer.address, hash, since };
    await this.within(cycle, "minerCommit1", signal, (window) => boundByAnother(chain, copy, window));
  }

  private async submit(cycle: number, file: SubmittedFile, signal: AbortSignal): Promise<void> {
    const { chain, signer, journal } = this.components;
    const { lastBlock } = this.window(cycle, "submission");
    const isLate = this.config.kind === "late";
    if (isLate) await blockReached(chain, lastBlock + BLOCKS_LATE, signal);
    else await this.reached(cycle, "submission", signal);
    const closes = isLate ? lastBlock + BLOCKS_LATE_AT_MOST : lastBlock;
    const submitTo = async (server: Pick<MinerConfig, "modelServerUrl" | "authToken">) => {
      const { block, attempts } = await untilBlock(chain, closes, signal, (window) =>
        submitFile({ heads: chain, signer, journal }, { ...this.config, ...server, isPatient: !isLate }, file, window),
      );
      journal("submitted", { block, attempts, sha256: file.sha256, pull: file.url !== null });
    };
    const others = (this.config.submitAlsoTo ?? []).map((server) =>
      this.attempt("submit_failed", signal, () => submitTo(server)),
    );
    await Promise.all([submitTo(this.config), ...others]);
  }

  private async commit(
    event: string,
    payload: CommitmentPayload,
    { lastBlock, signal }: { readonly lastBlock: BlockNumber; readonly signal: AbortSignal },
  ): Promise<void> {
    const { chain, journal } = this.components;
    const bytes = encodeCommitment(payload, "miner");
    const receipt = await chain.submit(
      { kind: "set_commitment", netuid: this.config.netuid, bytes },
      { signal, deadlineBlock: lastBlock },
    );
    journal(event, { block: receipt.block, ...payload });
  }

  private window(cycle: number, phase: Phase) {
    return phaseWindow(cycle, phase, this.config.network.schedule);
  }

  private deadline(cycle: number, phase: Phase, signal: AbortSignal) {
    return { lastBlock: this.window(cycle, phase).lastBlock, signal };
  }

  private async reached(cycle: number, phase: Phase, signal: AbortSignal): Promise<void> {
    await blockReached(this.components.chain, this.window(cycle, phase).firstBlock, signal);
  }

  private async within<T>(
    cycle: number,
    phase: Phase,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return await untilBlock(this.components.chain, this.window(cycle, phase).lastBlock, signal, work);
  }
}

function since(start: number): number {
  return Math.round(performance.now() - start);
}
