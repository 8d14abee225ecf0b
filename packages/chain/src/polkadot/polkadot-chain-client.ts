import type { ChainCommitment, ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, EpochMillis, Hotkey, Netuid, Uid } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type {
  ChainCall,
  ChainClient,
  ChainHead,
  ExtrinsicReceipt,
  HotkeyTrace,
  SubmitOptions,
} from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { type ConnectionObserver, NO_OBSERVER } from "../connection-observer.ts";
import type { Signer } from "../hotkey.ts";
import type { SigningGuard } from "../signing-guard.ts";
import type { WeightRules } from "../weight-rules.ts";
import { readCommitments } from "./commitments.ts";
import { ChainConnection } from "./connection.ts";
import type { ChainIdentity } from "./fit-session.ts";
import { HeadFollower } from "./heads.ts";
import { readExtrinsicHashes, readHotkeyTrace } from "./hotkey-trace.ts";
import { unsupportedRuntime } from "./runtime-support.ts";
import type { ChainSession } from "./session.ts";
import { readAllWeights, readSnapshot, readWeights } from "./snapshot.ts";
import { StateReads } from "./state-reads.ts";
import { numberOf, storageAt } from "./storage.ts";
import { ExtrinsicSubmitter } from "./submitter.ts";
import { readPendingCommits, readWeightRules } from "./weight-rules.ts";

export interface PolkadotChainClientOptions {
  /** WebSocket addresses of nodes of one chain, the preferred ones first. */
  readonly endpoints: readonly string[];
  /** Nodes that keep the state of all blocks, for reads that the others cannot answer; none unless given. */
  readonly archiveEndpoints?: readonly string[];
  /** How long one JSON-RPC request may take. */
  readonly requestDeadlineMillis: number;
  /** How long the head may stand still before the next endpoint is tried: a few block times. */
  readonly headSilenceMillis: number;
  /** How often a preferred endpoint is tried while another one serves; a minute unless given. */
  readonly failbackMillis?: number;
  /** How long finality may stand still before an extrinsic's fate counts as unknown; ten silences unless given. */
  readonly finalityStallMillis?: number;
  /** Subnet whose present way to take weights the runtime must offer to a client that signs; not looked at unless given. */
  readonly netuid?: Netuid;
  /** What block authors get for preferring our extrinsics, in rao; nothing unless given. The hotkey's account pays it. */
  readonly tipRao?: bigint;
}

export interface ChainRuntime {
  readonly specName: string;
  readonly specVersion: number;
}

const STALL_SILENCES = 10;
const FAILBACK_MILLIS = 60_000;

interface Components {
  readonly logger: Logger;
  /** Null for a client that only reads. */
  readonly signer: Signer | null;
  readonly observer?: ConnectionObserver;
  /** Asked before every signature; everything is signed without one. */
  readonly guard?: SigningGuard;
}

/** The chain over JSON-RPC, through @polkadot/api. */
export class PolkadotChainClient implements ChainClient {
  readonly hotkey: Hotkey | null;
  readonly #logger: Logger;
  readonly #connection: ChainConnection;
  readonly #archive: ChainConnection | null;
  readonly #reads: StateReads;
  readonly #heads: HeadFollower;
  readonly #submitter: ExtrinsicSubmitter | null;
  readonly #netuid: Netuid | null;
  #isUnsupported = false;

  constructor({ logger, signer, guard, observer = NO_OBSERVER }: Components, options: PolkadotChainClientOptions) {
    const { light, archive } = createConnections({ logger, observer, identity: { genesis: null } }, options);
    const heads = new HeadFollower({ logger, connection: light }, options);
    const { finalityStallMillis = STALL_SILENCES * options.headSilenceMillis, tipRao = 0n } = options;
    this.hotkey = signer?.address ?? null;
    this.#netuid = options.netuid ?? null;
    this.#logger = logger.child({ module: "chain" });
    this.#connection = light;
    this.#archive = archive;
    this.#reads = new StateReads({ light, archive });
    this.#heads = heads;
    this.#submitter =
      signer === null
        ? null
        : new ExtrinsicSubmitter({ logger, connection: light, heads, signer, guard }, { finalityStallMillis, tipRao });
  }

  /**
   * Connects and follows the head; keeps trying until the signal is aborted.
   *
   * @throws ChainError `CHAIN_INTERFACE_MISMATCH` when the chain's runtime lacks what a validator needs.
   */
  async start(signal: AbortSignal): Promise<void> {
    await this.#connection.start(signal);
    const unsupported = await this.#unsupported(await this.#connection.session());
    if (unsupported instanceof ChainError) {
      await this.stop();
      throw unsupported;
    }
    await this.#heads.start(signal);
    this.#connection.onSession((session) => void this.#checkRuntime(session));
  }

  async stop(): Promise<void> {
    this.#submitter?.stop();
    await this.#heads.stop();
    await Promise.all([this.#connection.stop(), this.#archive?.stop()]);
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

  /** The runtime of the newest block. */
  async runtime(): Promise<ChainRuntime> {
    const session = await this.#connection.session();
    const { specName, specVersion } = await session.request<ChainRuntime>("state_getRuntimeVersion", []);
    return { specName, specVersion };
  }

  async blockTime(at: BlockHash): Promise<EpochMillis> {
    return await this.#reads.run(async (session) => {
      const storage = await storageAt(session, at);
      return numberOf(await storage.item("timestamp", "now")());
    });
  }

  async snapshot(netuid: Netuid, at: BlockHash): Promise<ChainSnapshot> {
    return await this.#reads.run((session) => readSnapshot(session, netuid, at));
  }

  async commitments(netuid: Netuid, at: BlockHash): Promise<readonly ChainCommitment[]> {
    return await this.#reads.run(async (session) => readCommitments(session, await storageAt(session, at), netuid));
  }

  async weights(netuid: Netuid, uid: Uid, at?: BlockHash): Promise<readonly (readonly [Uid, number])[]> {
    const hash = at ?? this.head().hash;
    return await this.#reads.run((session) => readWeights(session, { netuid, uid, at: hash }));
  }

  async allWeights(netuid: Netuid, at: BlockHash): Promise<ReadonlyMap<Uid, readonly (readonly [Uid, number])[]>> {
    return await this.#reads.run((session) => readAllWeights(session, netuid, at));
  }

  async weightRules(netuid: Netuid, at: BlockHash): Promise<WeightRules> {
    return await this.#reads.run((session) => readWeightRules(session, netuid, at));
  }

  async pendingCommits(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<readonly string[]> {
    return await this.#reads.run((session) => readPendingCommits(session, { netuid, hotkey, at }));
  }

  async hotkeyTrace(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<HotkeyTrace> {
    return await this.#reads.run((session) => readHotkeyTrace(session, { netuid, hotkey, at }));
  }

  async extrinsicHashes(at: BlockHash): Promise<readonly string[]> {
    return await this.#reads.run((session) => readExtrinsicHashes(session, at));
  }

  async submit(call: ChainCall, options: SubmitOptions): Promise<ExtrinsicReceipt> {
    if (this.#submitter === null) {
      throw new ChainError(ChainErrorCode.NoSigner, "This chain client has no hotkey to sign with");
    }
    return await this.#submitter.submit(call, options);
  }

  /**
   * A runtime that came with an upgrade may lack what the first one had: calls then fail, and an operator must act. The
   * next one may bring it back. Each change is told once.
   */
  async #checkRuntime(session: ChainSession): Promise<void> {
    const unsupported = await this.#unsupported(session);
    const wasUnsupported = this.#isUnsupported;
    if (unsupported === "unknown") return;
    this.#isUnsupported = unsupported !== null;
    const { endpoint, specVersion } = session;
    if (unsupported !== null && !wasUnsupported) {
      this.#logger.error("The chain's runtime is not supported", { endpoint }, unsupported);
    } else if (unsupported === null && wasUnsupported) {
      this.#logger.info("The chain's runtime is supported again", { endpoint, specVersion });
    }
  }

  /** `unknown` when the chain could not be asked: the next session is asked again. */
  async #unsupported(session: ChainSession): Promise<ChainError | "unknown" | null> {
    try {
      return await unsupportedRuntime(session, { signs: this.hotkey !== null, netuid: this.#netuid });
    } catch (error) {
      if (error instanceof ChainError) return "unknown";
      throw error;
    }
  }
}

function createConnections(
  components: { readonly logger: Logger; readonly observer: ConnectionObserver; readonly identity: ChainIdentity },
  options: PolkadotChainClientOptions,
): { readonly light: ChainConnection; readonly archive: ChainConnection | null } {
  const { endpoints, archiveEndpoints = [], requestDeadlineMillis, failbackMillis = FAILBACK_MILLIS } = options;
  const shared = { requestDeadlineMillis, failbackMillis };
  return {
    light: new ChainConnection(components, { role: "light", endpoints, ...shared }),
    archive:
      archiveEndpoints.length === 0
        ? null
        : new ChainConnection(components, { role: "archive", endpoints: archiveEndpoints, ...shared }),
  };
}
