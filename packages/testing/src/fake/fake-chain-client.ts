import {
  type ChainCall,
  type ChainClient,
  type ChainHead,
  type ExtrinsicReceipt,
  type HotkeyTrace,
  MAX_COMMITMENT_BYTES,
  type SubmissionProgress,
  type SubmissionState,
  type SubmitOptions,
} from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { SigningGuard } from "@assay/chain/signing-guard";
import type { WeightRules } from "@assay/chain/weight-rules";
import type { ChainCommitment, ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, EpochMillis, Hotkey, Netuid, Uid } from "@assay/core/units";
import { type FakeChain, type PendingCall, sortedCommitments } from "./fake-chain.ts";
import { neuronOf } from "./fake-subnet.ts";

interface FakeChainClientOptions {
  readonly chain: FakeChain;
  readonly hotkey: Hotkey | null;
  readonly guard?: SigningGuard | undefined;
}

/**
 * The port on a {@link FakeChain}: for tests of what stands on a chain client.
 *
 * It answers like the real one, refusals and old blocks included; only bytes, signatures and forks do not exist.
 */
export class FakeChainClient implements ChainClient {
  readonly hotkey: Hotkey | null;
  readonly #chain: FakeChain;
  readonly #guard: SigningGuard | undefined;
  readonly #listeners = new Set<(head: ChainHead) => void>();
  #head: ChainHead;
  #finalized: ChainHead;
  #isConnected = false;
  #leave: (() => void) | null = null;
  #submissions = 0;

  constructor({ chain, hotkey, guard }: FakeChainClientOptions) {
    this.#chain = chain;
    this.#guard = guard;
    this.hotkey = hotkey;
    this.#head = chain.head;
    this.#finalized = chain.finalized;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#leave ??= this.#chain.onBlock(() => this.#follow());
    this.connect();
  }

  async stop(): Promise<void> {
    this.#leave?.();
    this.#leave = null;
    this.#isConnected = false;
    this.#listeners.clear();
  }

  /** Ends a disconnection: the client learns the newest block at once. */
  connect(): void {
    this.#isConnected = true;
    this.#follow();
  }

  /** Cuts the client off: heads stop, requests fail with `CHAIN_DISCONNECTED`, submissions wait. */
  disconnect(): void {
    this.#isConnected = false;
  }

  head(): ChainHead {
    return this.#head;
  }

  finalizedHead(): ChainHead {
    return this.#finalized;
  }

  onHead(listener: (head: ChainHead) => void): () => void {
    const own = (head: ChainHead) => listener(head);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  async blockHash(block: BlockNumber): Promise<BlockHash | null> {
    return this.#connected().hashOf(block);
  }

  async finalizedBlockHash(block: BlockNumber): Promise<BlockHash | null> {
    return block > this.#finalized.number ? null : this.#connected().hashOf(block);
  }

  async snapshot(netuid: Netuid, at: BlockHash): Promise<ChainSnapshot> {
    return this.#connected().snapshotAt(at, netuid);
  }

  async commitments(netuid: Netuid, at: BlockHash): Promise<readonly ChainCommitment[]> {
    const { subnet } = this.#connected().subnetAt(at);
    return netuid === subnet.netuid ? sortedCommitments(subnet.commitments) : [];
  }

  async blockTime(at: BlockHash): Promise<EpochMillis> {
    return this.#connected().timeOf(at);
  }

  async weights(netuid: Netuid, uid: Uid, at?: BlockHash): Promise<readonly (readonly [Uid, number])[]> {
    const { subnet } = this.#connected().subnetAt(at ?? this.#head.hash);
    return netuid === subnet.netuid ? (subnet.weights.get(uid) ?? []) : [];
  }

  async allWeights(netuid: Netuid, at: BlockHash): Promise<ReadonlyMap<Uid, readonly (readonly [Uid, number])[]>> {
    const { subnet } = this.#connected().subnetAt(at);
    return netuid === subnet.netuid ? new Map([...subnet.weights].sort(([a], [b]) => a - b)) : new Map();
  }

  async weightRules(netuid: Netuid, at: BlockHash): Promise<WeightRules> {
    return this.#connected().weightRulesAt(at, netuid);
  }

  async pendingCommits(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<readonly string[]> {
    const { subnet } = this.#connected().subnetAt(at);
    if (netuid !== subnet.netuid) return [];
    return subnet.commits.filter(({ signer }) => signer === hotkey).map(({ hash }) => hash);
  }

  async hotkeyTrace(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<HotkeyTrace> {
    const { subnet } = this.#connected().subnetAt(at);
    const neuron = netuid === subnet.netuid ? neuronOf(subnet, hotkey) : undefined;
    return {
      nonce: subnet.nonces.get(hotkey) ?? 0,
      lastUpdate: neuron?.lastUpdate ?? null,
      registeredAt: neuron === undefined ? null : 0,
      committedAt: netuid === subnet.netuid ? (subnet.commitments.get(hotkey)?.block ?? null) : null,
    };
  }

  async extrinsicHashes(at: BlockHash): Promise<readonly string[]> {
    return this.#connected().extrinsicsAt(at);
  }

  async submit(call: ChainCall, options: SubmitOptions): Promise<ExtrinsicReceipt> {
    const { hotkey } = this;
    if (hotkey === null) {
      throw new ChainError(ChainErrorCode.NoSigner, "This chain client has no hotkey to sign with");
    }
    if (call.kind === "set_commitment" && call.bytes.length > MAX_COMMITMENT_BYTES) {
      throw new ChainError(ChainErrorCode.CommitmentTooLarge, "A commitment holds at most 128 bytes");
    }
    if (options.signal.aborted) throw aborted(options.signal);
    if (this.#head.number >= options.deadlineBlock) throw tooLate(options.deadlineBlock);
    if (this.#guard !== undefined) await this.#guard.admit(options);
    const progress = this.#nextProgress(hotkey);
    if (this.#guard !== undefined) await this.#record(this.#guard, progress, call.kind, options);
    return await this.#land(this.#connected(), { hotkey, call, options, progress });
  }

  async #record(
    guard: SigningGuard,
    { extrinsicHash: hash, nonce }: SubmissionProgress,
    kind: ChainCall["kind"],
    { deadlineBlock: lastBlock }: SubmitOptions,
  ): Promise<void> {
    await guard.record({ hash, nonce, kind, signedBlock: this.#head.number, lastBlock });
  }

  #land(chain: FakeChain, { hotkey, call, options, progress }: FakeSubmission): Promise<ExtrinsicReceipt> {
    const report = (state: SubmissionState, block?: ChainHead) =>
      options.onState?.(
        state,
        block === undefined ? progress : { ...progress, block: block.number, blockHash: block.hash },
      );
    const result = Promise.withResolvers<ExtrinsicReceipt>();
    let included: { readonly block: ChainHead; readonly refusal: ChainError | null } | null = null;
    const pending: PendingCall = {
      hash: progress.extrinsicHash,
      signer: hotkey,
      call,
      deadlineBlock: options.deadlineBlock,
      onIncluded: (block, refusal) => {
        included = { block, refusal };
        report("in_block", block);
      },
    };
    const settle = () => {
      if (!this.#isConnected) return;
      const final = this.#chain.finalized.number;
      if (included === null && final >= options.deadlineBlock) result.reject(tooLate(options.deadlineBlock));
      if (included === null || final < included.block.number) return;
      report("finalized", included.block);
      if (included.refusal !== null) return result.reject(included.refusal);
      const { number: block, hash: blockHash } = included.block;
      result.resolve({ hash: progress.extrinsicHash, block, blockHash });
    };
    report("signed");
    chain.enqueue(pending);
    report("ready");
    return this.#whileWaiting(result, { pending, settle, signal: options.signal });
  }

  async #whileWaiting(
    result: PromiseWithResolvers<ExtrinsicReceipt>,
    waiting: { readonly pending: PendingCall; readonly settle: () => void; readonly signal: AbortSignal },
  ): Promise<ExtrinsicReceipt> {
    const abort = () => {
      this.#chain.withdraw(waiting.pending);
      result.reject(aborted(waiting.signal));
    };
    const leave = this.#chain.onBlock(waiting.settle);
    waiting.signal.addEventListener("abort", abort, { once: true });
    try {
      return await result.promise;
    } finally {
      leave();
      waiting.signal.removeEventListener("abort", abort);
    }
  }

  #nextProgress(hotkey: Hotkey): SubmissionProgress {
    const nonce = this.#submissions;
    this.#submissions += 1;
    return { extrinsicHash: this.#chain.signNext(hotkey), nonce, specVersion: 425 };
  }

  #follow(): void {
    if (!this.#isConnected) return;
    const advanced = this.#chain.head.number > this.#head.number;
    this.#head = this.#chain.head;
    this.#finalized = this.#chain.finalized;
    if (!advanced) return;
    for (const listener of [...this.#listeners]) listener(this.#head);
  }

  #connected(): FakeChain {
    if (this.#isConnected) return this.#chain;
    throw new ChainError(ChainErrorCode.Disconnected, "The chain is not connected", { retryable: true });
  }
}

interface FakeSubmission {
  readonly hotkey: Hotkey;
  readonly call: ChainCall;
  readonly options: SubmitOptions;
  readonly progress: SubmissionProgress;
}

function tooLate(deadlineBlock: BlockNumber): ChainError {
  return new ChainError(ChainErrorCode.ExtrinsicDeadline, "The call did not land by its deadline block", {
    fields: { deadlineBlock },
  });
}

function aborted(signal: AbortSignal): ChainError {
  return new ChainError(ChainErrorCode.SubmissionAborted, "The submission was given up; it may still land", {
    cause: signal.reason,
  });
}
