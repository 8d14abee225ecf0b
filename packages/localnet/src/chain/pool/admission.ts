import type { BlockHash, BlockNumber } from "@assay/core/units";
import { RpcError, RpcErrorCode } from "../rpc/rpc-error.ts";
import type { Runtime } from "../runtime-terms.ts";
import type { StateReader } from "../state/state-history.ts";
import { checkCallInPool } from "./call-check.ts";
import type { StatusListener } from "./extrinsic-status.ts";
import { extrinsicHash, readSignedExtrinsic, type SignedExtrinsic } from "./signed-extrinsic.ts";
import type { TransactionPool } from "./transaction-pool.ts";

/** The best chain, as far as an extrinsic's validity depends on it. */
export interface BestChain {
  readonly runtime: Runtime;
  readonly head: BlockNumber;
  readonly state: StateReader;
  hashAt(block: BlockNumber): BlockHash | null;
}

interface Components {
  readonly pool: TransactionPool;
  /** The best chain of now. */
  readonly bestChain: () => BestChain;
}

/** Decides which extrinsics may wait in the pool, and which of them still may after a block or a fork. */
export class Admission {
  readonly #components: Components;
  #checksCalls: boolean;

  /** @param checksCalls Whether calls are refused that the next block would refuse, as subtensor does since spec 417. */
  constructor(components: Components, { checksCalls }: { readonly checksCalls: boolean }) {
    this.#components = components;
    this.#checksCalls = checksCalls;
  }

  setChecksCalls(checksCalls: boolean): void {
    this.#checksCalls = checksCalls;
  }

  /** Checks an extrinsic and lets it wait for a block. What is invalid is not looked at again for a while. */
  submit(hex: unknown, onStatus: StatusListener | null): string {
    const { pool } = this.#components;
    const hash = extrinsicHash(hex);
    if (hash !== null) pool.refuseKnown(hash);
    try {
      const extrinsic = this.#read(hex);
      if (this.#checksCalls) this.#checkCall(extrinsic);
      pool.add(extrinsic, onStatus);
      return extrinsic.hash;
    } catch (error) {
      const isInvalid = error instanceof RpcError && error.code === RpcErrorCode.InvalidTransaction;
      if (isInvalid && hash !== null) pool.ban(hash);
      throw error;
    }
  }

  /** Whether the next block would take the call; always where that is not checked. */
  readonly isCallValid = (extrinsic: SignedExtrinsic): boolean =>
    !this.#checksCalls || isTaken(() => this.#checkCall(extrinsic));

  /** Whether the best chain is still the one that the extrinsic was signed for: its runtime, and where its era begins. */
  readonly isSignatureValid = ({ hex }: SignedExtrinsic): boolean => isTaken(() => void this.#read(hex));

  #read(hex: unknown): SignedExtrinsic {
    const { runtime, head, hashAt } = this.#components.bestChain();
    return readSignedExtrinsic(runtime.codec, hex, { runtimeVersion: runtime.version, head, blockHash: hashAt });
  }

  #checkCall(extrinsic: SignedExtrinsic): void {
    const { runtime, head, state } = this.#components.bestChain();
    checkCallInPool(runtime, state, head + 1, extrinsic);
  }
}

function isTaken(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof RpcError) return false;
    throw error;
  }
}
