import type { ChainCommitment, ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, Hotkey, Netuid, Uid } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ChainCall, ChainClient, ChainHead, ExtrinsicReceipt, SubmitOptions } from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { Signer } from "../hotkey.ts";
import type { WeightRules } from "../weight-rules.ts";
import { readCommitments } from "./commitments.ts";
import { ChainConnection } from "./connection.ts";
import { HeadFollower } from "./heads.ts";
import { readSnapshot, readWeights } from "./snapshot.ts";
import { storageAt } from "./storage.ts";
import { ExtrinsicSubmitter } from "./submitter.ts";
import { readPendingCommits, readWeightRules } from "./weight-rules.ts";

export interface PolkadotChainClientOptions {
  /** WebSocket addresses of nodes of one chain, tried in turn. */
  readonly endpoints: readonly string[];
  /** How long one JSON-RPC request may take. */
  readonly requestDeadlineMillis: number;
  /** How long the head may stand still before the next endpoint is tried: a few block times. */
  readonly headSilenceMillis: number;
  /** How long finality may stand still before an extrinsic's fate counts as unknown; ten silences unless given. */
  readonly finalityStallMillis?: number;
}

const STALL_SILENCES = 10;

/** The chain over JSON-RPC, through @polkadot/api. */
export class PolkadotChainClient implements ChainClient {
  readonly hotkey: Hotkey | null;
  readonly #connection: ChainConnection;
  readonly #heads: HeadFollower;
  readonly #submitter: ExtrinsicSubmitter | null;

  constructor(
    { logger, signer }: { readonly logger: Logger; readonly signer: Signer | null },
    options: PolkadotChainClientOptions,
  ) {
    const connection = new ChainConnection({ logger }, options);
    const heads = new HeadFollower({ logger, connection }, options);
    const finalityStallMillis = options.finalityStallMillis ?? STALL_SILENCES * options.headSilenceMillis;
    this.hotkey = signer?.address ?? null;
    this.#connection = connection;
    this.#heads = heads;
    this.#submitter =
      signer === null ? null : new ExtrinsicSubmitter({ logger, connection, heads, signer }, { finalityStallMillis });
  }

  /** Connects and follows the head; keeps trying until the signal is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#connection.start(signal);
    await this.#heads.start(signal);
  }

  async stop(): Promise<void> {
    this.#submitter?.stop();
    await this.#heads.stop();
    await this.#connection.stop();
  }

  head(): ChainHead {
    return this.#heads.head();
  }

  finalizedHead(): ChainHead {
    return this.#heads.finalizedHead();
  }

  onHead(listener: (head: ChainHead) => void): () => void {
    return this.#heads.onHead(listener);
  }

  async blockHash(block: BlockNumber): Promise<BlockHash | null> {
    const session = await this.#connection.session();
    return await session.request<BlockHash | null>("chain_getBlockHash", [block]);
  }

  async finalizedBlockHash(block: BlockNumber): Promise<BlockHash | null> {
    return block > this.finalizedHead().number ? null : await this.blockHash(block);
  }

  async snapshot(netuid: Netuid, at: BlockHash): Promise<ChainSnapshot> {
    return await readSnapshot(await this.#connection.session(), netuid, at);
  }

  async commitments(netuid: Netuid, at: BlockHash): Promise<readonly ChainCommitment[]> {
    const session = await this.#connection.session();
    return await readCommitments(session, await storageAt(session, at), netuid);
  }

  async weights(netuid: Netuid, uid: Uid, at?: BlockHash): Promise<readonly (readonly [Uid, number])[]> {
    return await readWeights(await this.#connection.session(), { netuid, uid, at: at ?? this.head().hash });
  }

  async weightRules(netuid: Netuid, at: BlockHash): Promise<WeightRules> {
    return await readWeightRules(await this.#connection.session(), netuid, at);
  }

  async pendingCommits(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<readonly string[]> {
    return await readPendingCommits(await this.#connection.session(), { netuid, hotkey, at });
  }

  async submit(call: ChainCall, options: SubmitOptions): Promise<ExtrinsicReceipt> {
    if (this.#submitter === null) {
      throw new ChainError(ChainErrorCode.NoSigner, "This chain client has no hotkey to sign with");
    }
    return await this.#submitter.submit(call, options);
  }
}
