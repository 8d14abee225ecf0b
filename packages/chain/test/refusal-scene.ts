import type { ChainCall, ChainClient } from "@assay/chain/chain-client";
import type { ChainError } from "@assay/chain/chain-error";
import { loadHotkey } from "@assay/chain/hotkey";
import { dispatchErrorOf } from "@assay/chain/polkadot/dispatch-result";
import { finalBlockWith } from "@assay/chain/polkadot/final-block";
import { Keyring } from "@assay/chain/polkadot/library";
import { type ChainSession, openSession } from "@assay/chain/polkadot/session";
import { weightCommitHash } from "@assay/chain/timelock/weight-payload";
import type { BlockNumber } from "@assay/core/units";
import { type DevChain, type DevChainOptions, startDevChain } from "@assay/localnet/chain/dev-chain";
import { land, reached } from "@assay/testing/contracts/chain-client-scenario";
import type { KeyringPair } from "@polkadot/keyring/types";
import { openClient } from "./dev-chain-harness.ts";
import { atEnd } from "./test-chain.ts";

export const NETUID = 2;
export const TAO = 1_000_000_000n;
const FINALITY_LAG = 1;
const PALLET = "SubtensorModule";

/** Uid 0 has stake and a permit, uid 1 stake only, uids 2 and 3 neither; the stranger is not registered. */
const URIS = { validator: "//Validator//0", staked: "//Staked", miner: "//Miner//0", stranger: "//Stranger" };
type Who = keyof typeof URIS;

export type SceneOptions = Pick<DevChainOptions, "hyperparameters" | "poolChecks" | "poolLimit" | "runtime">;

/** A chain that builds blocks on demand, real clients on it, and short words for what provokes its refusals. */
export class RefusalScene {
  readonly chain: DevChain;
  readonly #clients = new Map<Who, Promise<ChainClient>>();

  constructor(chain: DevChain) {
    this.chain = chain;
  }

  /** Commits of weights are limited by a rate of 100 blocks, epochs have 5. */
  static async start({ hyperparameters, ...options }: SceneOptions = {}): Promise<RefusalScene> {
    const uris = [URIS.validator, URIS.staked, URIS.miner, "//Miner//1"];
    const neurons = await Promise.all(
      uris.map(async (uri, uid) => {
        const { address: hotkey } = await loadHotkey({ uri });
        return { hotkey, permit: uid === 0, stakeRao: uid < 2 ? 1000n * TAO : 0n };
      }),
    );
    const rules = { tempo: 5, ...hyperparameters };
    const shared = { netuid: NETUID, manual: true, finalityLag: FINALITY_LAG, blockMillis: 1000 };
    const chain = await startDevChain({ ...shared, neurons, hyperparameters: rules, ...options });
    atEnd(() => chain.close());
    return new RefusalScene(chain);
  }

  /** Writes a rule of the subnet, or with no keys one of the whole chain, in a block of its own. */
  async rule(item: string, value: unknown, keys: readonly unknown[] = [NETUID]): Promise<void> {
    this.chain.writeStorage(PALLET, item, keys, value);
    await this.build(1);
  }

  async build(blocks: number): Promise<void> {
    await this.buildTo(this.chain.head.number + blocks);
  }

  async buildTo(block: BlockNumber): Promise<void> {
    const head = this.chain.buildUntil(block);
    const clients = await Promise.all(this.#clients.values());
    await Promise.all(clients.map((client) => reached(client, head.number)));
  }

  async client(who: Who): Promise<ChainClient> {
    const opening = this.#clients.get(who) ?? this.#open(who);
    this.#clients.set(who, opening);
    return await opening;
  }

  /** Has the client land a call: resolves once it is final, fails with the client's error. */
  async land(call: ChainCall, who: Who = "validator"): Promise<unknown> {
    return await land(this.chain, await this.client(who), call);
  }

  /** Sends what no call of ours can say, and reads its fate with the client's own parts. */
  async landRaw(pallet: string, method: string, parameters: readonly unknown[], who: Who = "validator"): Promise<void> {
    const session = await this.session();
    const extrinsic = await this.signRaw(session, { pallet, method, parameters, who });
    await session.request("author_submitExtrinsic", [extrinsic]);
    const { number, hash } = this.chain.buildBlock();
    const found = await finalBlockWith(session, [extrinsic], { after: number - 1, upTo: number });
    const error: ChainError | null = await dispatchErrorOf(session, hash, found?.index ?? -1);
    if (error !== null) throw error;
  }

  async signRaw(
    { api }: ChainSession,
    { pallet, method, parameters, who = "validator", nonce = -1, tip = 0 }: RawCall,
  ): Promise<string> {
    const create = api.tx[pallet]?.[method];
    if (create === undefined) throw new Error(`the runtime has no ${pallet}.${method}`);
    const signed = await create(...parameters).signAsync(pairOf(who), { nonce, tip });
    return signed.toHex();
  }

  async session(): Promise<ChainSession> {
    const terms = { requestDeadlineMillis: 10_000, signal: AbortSignal.timeout(20_000) };
    const session = await openSession(this.chain.url, terms);
    atEnd(async () => session.close("stopped", "The test is over"));
    return session;
  }

  async #open(who: Who): Promise<ChainClient> {
    const client = await openClient(URIS[who], [this.chain.url]);
    atEnd(() => client.stop());
    return client;
  }
}

export interface RawCall {
  readonly pallet: string;
  readonly method: string;
  readonly parameters: readonly unknown[];
  readonly who?: Who;
  /** The account's next one when not given. */
  readonly nonce?: number;
  readonly tip?: number;
}

function pairOf(who: Who): KeyringPair {
  return new Keyring({ type: "sr25519", ss58Format: 42 }).createFromUri(URIS[who]);
}

const VECTOR = { uids: [1, 2, 3], weights: [1, 2, 4], versionKey: 0n };

/** The calls of a validator, with one thing changed. */
export function setWeights(changes: Partial<Extract<ChainCall, { kind: "set_weights" }>> = {}): ChainCall {
  return { kind: "set_weights", netuid: NETUID, ...VECTOR, ...changes };
}

export function serveAxon(changes: Partial<Extract<ChainCall, { kind: "serve_axon" }>> = {}): ChainCall {
  return { kind: "serve_axon", netuid: NETUID, ip: "203.0.113.7", port: 8091, ...changes };
}

export function commitment(length: number): ChainCall {
  return { kind: "set_commitment", netuid: NETUID, bytes: new Uint8Array(length).fill(7) };
}

export async function commitHashed(salt: number): Promise<ChainCall> {
  const { address: hotkey } = await loadHotkey({ uri: URIS.validator });
  const commitHash = weightCommitHash({ hotkey, ...VECTOR }, { netuid: NETUID, salt: [salt] });
  return { kind: "commit_weights", netuid: NETUID, commitHash };
}

export function reveal(salt: number): ChainCall {
  return { kind: "reveal_weights", netuid: NETUID, ...VECTOR, salt: [salt] };
}

export function commitLocked(revealRound: number): ChainCall {
  return { kind: "commit_timelocked_weights", netuid: NETUID, commit: Uint8Array.of(1, 2, 3), revealRound };
}
