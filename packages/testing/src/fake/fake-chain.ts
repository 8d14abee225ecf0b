import { createHash } from "node:crypto";
import type { ChainCall, ChainHead } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import { TIMELOCK_VERSION, type WeightRules, weightWay } from "@assay/chain/weight-rules";
import type { ChainCommitment, ChainSnapshot, Neuron, SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, EpochMillis, Hotkey, Netuid, Uid } from "@assay/core/units";
import { applyCall } from "./fake-calls.ts";
import { beginBlock } from "./fake-hidden-weights.ts";
import type { FakeSubnet } from "./fake-subnet.ts";

/** A neuron to register; its place in the list is its uid. */
export interface FakeNeuron {
  readonly hotkey: Hotkey;
  readonly coldkey?: string;
  readonly stakeRao?: bigint;
  readonly permit?: boolean;
}

export interface FakeChainOptions {
  readonly netuid: Netuid;
  readonly neurons: readonly FakeNeuron[];
  readonly hyperparameters?: Partial<SubnetHyperparameters>;
  /** Number of the head to begin with; 1 when not given. */
  readonly firstBlock?: BlockNumber;
  /** Blocks between the head and the newest final block; 2 when not given. */
  readonly finalityLag?: number;
}

/** A call that waits for the next block, and who wants to know what becomes of it. */
export interface PendingCall {
  /** Hash of the extrinsic. */
  readonly hash: string;
  readonly signer: Hotkey;
  readonly call: ChainCall;
  readonly deadlineBlock: BlockNumber;
  onIncluded(block: ChainHead, refusal: ChainError | null): void;
}

interface FakeBlock extends ChainHead {
  readonly subnet: FakeSubnet;
  /** Hashes, in the order of execution. */
  readonly extrinsics: readonly string[];
}

const SECONDS_PER_BLOCK = 12;
const BEACON = new OwnBeacon("a fake chain's beacon", { genesisSeconds: 0, periodSeconds: 3 });

const DEFAULT_HYPERPARAMETERS: SubnetHyperparameters = {
  tempo: 360,
  weightsRateLimit: 100,
  weightsVersionKey: 0n,
  minAllowedWeights: 1,
  maxWeightsLimit: 65_535,
  commitRevealEnabled: false,
  stakeThresholdRao: 0n,
  ownerHotkey: "",
};

/**
 * A subnet in memory, with the rules and the history of the real one; blocks are built by hand.
 *
 * Several {@link FakeChainClient}s can share it. What tests change takes effect with the next block, as on a chain.
 */
export class FakeChain {
  readonly finalityLag: number;
  readonly #blocks: FakeBlock[] = [];
  readonly #listeners = new Set<() => void>();
  #next: FakeSubnet;
  #pending: PendingCall[] = [];
  #refusals: ChainError[] = [];
  #oldestState: BlockNumber = 0;
  #isIncluding = true;
  #signed = 0;

  constructor(options: FakeChainOptions) {
    this.finalityLag = options.finalityLag ?? 2;
    this.#next = firstSubnet(options);
    this.#append(options.firstBlock ?? 1);
  }

  get head(): ChainHead {
    return this.#last();
  }

  get finalized(): ChainHead {
    return this.#blocks[Math.max(0, this.#blocks.length - 1 - this.finalityLag)] ?? this.#last();
  }

  /** Builds one block: applies what tests changed, then the waiting calls in their order. */
  buildBlock(): ChainHead {
    const number = this.head.number + 1;
    const calls = this.#isIncluding ? this.#pending.filter(({ deadlineBlock }) => number <= deadlineBlock) : [];
    this.#pending = this.#pending.filter((call) => !calls.includes(call) && number < call.deadlineBlock);
    this.#next = beginBlock(this.#next, number, number * SECONDS_PER_BLOCK, BEACON);
    const refusals = calls.map((pending) => this.#execute(pending, number));
    const block = this.#append(
      number,
      calls.map(({ hash }) => hash),
    );
    for (const [index, pending] of calls.entries()) pending.onIncluded(block, refusals[index] ?? null);
    for (const listener of [...this.#listeners]) listener();
    return block;
  }

  /** Builds blocks until the head is `block`. */
  buildUntil(block: BlockNumber): ChainHead {
    while (this.head.number < block) this.buildBlock();
    return this.head;
  }

  /** Changes the subnet from the next block on. */
  change(edit: (subnet: FakeSubnet) => FakeSubnet): void {
    this.#next = edit(this.#next);
  }

  setHyperparameters(changed: Partial<SubnetHyperparameters>): void {
    this.change((subnet) => ({ ...subnet, hyperparameters: { ...subnet.hyperparameters, ...changed } }));
  }

  /** Another version than 4 leaves clients the way of hashes. */
  setCommitRevealVersion(version: number): void {
    this.change((subnet) => ({ ...subnet, commitReveal: { ...subnet.commitReveal, version } }));
  }

  /** Registers a neuron in a slot, in place of whoever had it; its weights and `lastUpdate` start anew. */
  register(uid: Uid, neuron: FakeNeuron): void {
    this.change((subnet) => ({
      ...subnet,
      neurons: subnet.neurons.toSpliced(uid, 1, neuronAt(uid, neuron)),
      weights: new Map([...subnet.weights].filter(([setter]) => setter !== uid)),
    }));
  }

  /** Makes a commitment appear in the next block, whoever made it and whatever it holds. */
  putCommitment(hotkey: Hotkey, bytes: Uint8Array): void {
    const block = this.head.number + 1;
    this.change((subnet) => ({
      ...subnet,
      commitments: new Map(subnet.commitments).set(hotkey, { hotkey, block, bytes }),
    }));
  }

  /** Makes the chain refuse the next call that nothing else refuses. Can be called several times. */
  refuseNext(error: ChainError): void {
    this.#refusals.push(error);
  }

  /** Builds blocks without waiting calls, until told otherwise. */
  setIncluding(isIncluding: boolean): void {
    this.#isIncluding = isIncluding;
  }

  /** Forgets the state of older blocks, as a node that prunes does. */
  discardStateBefore(block: BlockNumber): void {
    this.#oldestState = block;
  }

  hashOf(block: BlockNumber): BlockHash | null {
    return this.#blocks.find(({ number }) => number === block)?.hash ?? null;
  }

  extrinsicsAt(hash: BlockHash): readonly string[] {
    const block = this.#blocks.find((candidate) => candidate.hash === hash);
    if (block === undefined) throw new ChainError(ChainErrorCode.BlockUnknown, "The chain does not know that block");
    return block.extrinsics;
  }

  /** Hash of the next extrinsic of a hotkey; no two are equal, whichever client signs them. */
  signNext(signer: Hotkey): string {
    this.#signed += 1;
    return `0x${createHash("sha256").update(`${signer} ${this.#signed}`).digest("hex")}`;
  }

  subnetAt(hash: BlockHash): { readonly block: BlockNumber; readonly subnet: FakeSubnet } {
    const block = this.#blocks.find((candidate) => candidate.hash === hash);
    if (block === undefined) throw new ChainError(ChainErrorCode.BlockUnknown, "The chain does not know that block");
    if (block.number < this.#oldestState) {
      throw new ChainError(ChainErrorCode.StateDiscarded, "The state of that block is discarded");
    }
    return { block: block.number, subnet: block.subnet };
  }

  snapshotAt(hash: BlockHash, netuid: Netuid): ChainSnapshot {
    const { block, subnet } = this.subnetAt(hash);
    if (netuid !== subnet.netuid) throw new ChainError(ChainErrorCode.SubnetUnknown, "The subnet does not exist");
    const { neurons, stakeIsTotal, hyperparameters, commitments } = subnet;
    return {
      netuid,
      block,
      hash,
      neurons,
      stakeIsTotal,
      hyperparameters,
      commitments: sortedCommitments(commitments),
    };
  }

  timeOf(hash: BlockHash): EpochMillis {
    return this.subnetAt(hash).block * SECONDS_PER_BLOCK * 1000;
  }

  weightRulesAt(hash: BlockHash, netuid: Netuid): WeightRules {
    const { block, subnet } = this.subnetAt(hash);
    if (netuid !== subnet.netuid) throw new ChainError(ChainErrorCode.SubnetUnknown, "The subnet does not exist");
    const { hyperparameters, commitReveal, epoch, lastRound } = subnet;
    const { commitRevealEnabled, tempo } = hyperparameters;
    const commitRevealVersion = commitReveal.version;
    return {
      way: weightWay({ commitRevealEnabled, commitRevealVersion, hasTimelock: true, hasHash: true }) ?? "plain",
      block,
      blockSeconds: block * SECONDS_PER_BLOCK,
      secondsPerBlock: SECONDS_PER_BLOCK,
      epoch: { ...epoch, nextBlock: epoch.firstBlock + tempo, blocks: tempo },
      revealPeriodEpochs: commitReveal.periodEpochs,
      beacon: {
        publicKey: BEACON.publicKey,
        genesisSeconds: BEACON.genesisSeconds,
        periodSeconds: BEACON.periodSeconds,
        lastStoredRound: lastRound,
      },
    };
  }

  enqueue(call: PendingCall): void {
    this.#pending.push(call);
  }

  withdraw(call: PendingCall): void {
    this.#pending = this.#pending.filter((pending) => pending !== call);
  }

  /** Calls the listener after each block. */
  onBlock(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #execute({ signer, call }: PendingCall, block: BlockNumber): ChainError | null {
    const { nonces } = this.#next;
    this.#next = { ...this.#next, nonces: new Map(nonces).set(signer, (nonces.get(signer) ?? 0) + 1) };
    const result = applyCall(this.#next, { signer, call, block });
    if (result instanceof ChainError) return result;
    const scripted = this.#refusals.shift();
    if (scripted !== undefined) return scripted;
    this.#next = result;
    return null;
  }

  #append(number: BlockNumber, extrinsics: readonly string[] = []): FakeBlock {
    const block = { number, hash: hashOfBlock(number), subnet: this.#next, extrinsics };
    this.#blocks.push(block);
    return block;
  }

  #last(): FakeBlock {
    const block = this.#blocks.at(-1);
    if (block === undefined) throw new Error("The chain has no block");
    return block;
  }
}

function firstSubnet(options: FakeChainOptions): FakeSubnet {
  const { netuid, neurons, hyperparameters, firstBlock = 1 } = options;
  return {
    netuid,
    neurons: neurons.map((neuron, uid) => neuronAt(uid, neuron)),
    stakeIsTotal: true,
    hyperparameters: { ...DEFAULT_HYPERPARAMETERS, ...hyperparameters },
    commitments: new Map(),
    weights: new Map(),
    epoch: { index: 0, firstBlock },
    commitReveal: { version: TIMELOCK_VERSION, periodEpochs: 1 },
    commits: [],
    nonces: new Map(),
    lastRound: 0,
  };
}

function neuronAt(uid: Uid, { hotkey, coldkey = hotkey, stakeRao = 0n, permit = false }: FakeNeuron): Neuron {
  return { uid, hotkey, coldkey, stakeRao, validatorPermit: permit, lastUpdate: 0, axon: null };
}

/** Commitments in the order of a {@link ChainSnapshot}. */
export function sortedCommitments(commitments: FakeSubnet["commitments"]): readonly ChainCommitment[] {
  return [...commitments.values()].sort((a, b) => (a.hotkey < b.hotkey ? -1 : 1));
}

function hashOfBlock(number: BlockNumber): BlockHash {
  return `0x${createHash("sha256").update(`fake block ${number}`).digest("hex")}`;
}
