import { type DevChain, type DevChainOptions, startDevChain } from "@assay/localnet/chain/dev-chain";
import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";
import type { ApiOptions, QueryableStorageEntry, SubmittableExtrinsic } from "@polkadot/api/types";
import type { KeyringPair } from "@polkadot/keyring/types";
import type { Vec } from "@polkadot/types";
import type { DispatchError, EventRecord } from "@polkadot/types/interfaces";
import { cryptoWaitReady } from "@polkadot/util-crypto";

export type Extrinsic = SubmittableExtrinsic<"promise">;

export const NETUID = 2;
export const TAO = 1_000_000_000n;

await cryptoWaitReady();
const keyring = new Keyring({ type: "sr25519", ss58Format: 42 });

/** Uid 0 has stake and a permit, uid 1 stake only, uids 2 and 3 neither; the stranger is not registered. */
export const VALIDATOR: KeyringPair = keyring.createFromUri("//Validator");
export const STAKED: KeyringPair = keyring.createFromUri("//Staked");
export const MINER: KeyringPair = keyring.createFromUri("//Miner");
export const OTHER_MINER: KeyringPair = keyring.createFromUri("//Miner//2");
export const STRANGER: KeyringPair = keyring.createFromUri("//Stranger");

/** A running chain, a client of it, and short words for what tests do with both. */
export class ChainFixture {
  readonly chain: DevChain;
  readonly api: ApiPromise;
  readonly provider: WsProvider;

  constructor(chain: DevChain, { api, provider }: Client) {
    this.chain = chain;
    this.api = api;
    this.provider = provider;
  }

  /** Builds blocks only on demand, unless the options say otherwise. */
  static async start(options: Partial<DevChainOptions> = {}): Promise<ChainFixture> {
    const chain = await startDevChain({
      netuid: NETUID,
      neurons: [
        { hotkey: VALIDATOR.address, coldkey: STRANGER.address, stakeRao: 1000n * TAO, permit: true },
        { hotkey: STAKED.address, stakeRao: 1000n * TAO },
        { hotkey: MINER.address },
        { hotkey: OTHER_MINER.address },
      ],
      manual: true,
      ...options,
    });
    return new ChainFixture(chain, await connect(chain.url));
  }

  async stop(): Promise<void> {
    await this.api.disconnect();
    await this.chain.close();
  }

  /** A storage value as plain JSON, read by the client at the head. */
  async query(pallet: string, item: string, ...keys: unknown[]): Promise<unknown> {
    return (await this.entry(pallet, item)(...keys)).toJSON();
  }

  async queryAt(hash: string, pallet: string, item: string, ...keys: unknown[]): Promise<unknown> {
    return (await (await this.#entryAt(hash, pallet, item))(...keys)).toJSON();
  }

  entry(pallet: string, item: string): QueryableStorageEntry<"promise"> {
    const entry = this.api.query[pallet]?.[item];
    if (entry === undefined) throw new Error(`the client knows no ${pallet}.${item}`);
    return entry;
  }

  async nonce(signer: KeyringPair): Promise<unknown> {
    return ((await this.query("system", "account", signer.address)) as { nonce: unknown }).nonce;
  }

  /** A request as it is, without what the client asks besides it. */
  async send(method: string, ...params: unknown[]): Promise<unknown> {
    return await this.provider.send(method, params);
  }

  /** The number of every head that comes, in a list that grows. */
  async heads(kind: "subscribeNewHeads" | "subscribeFinalizedHeads"): Promise<number[]> {
    const numbers: number[] = [];
    await this.api.rpc.chain[kind]((header: { readonly number: { toNumber(): number } }) => {
      numbers.push(header.number.toNumber());
    });
    return numbers;
  }

  constant(pallet: string, name: string): unknown {
    return this.api.consts[pallet]?.[name]?.toJSON();
  }

  async callRuntime(api: string, method: string, ...args: unknown[]): Promise<unknown> {
    return (await this.api.call[api]?.[method]?.(...args))?.toJSON();
  }

  call(pallet: string, method: string, ...args: unknown[]): Extrinsic {
    const create = this.api.tx[pallet]?.[method];
    if (create === undefined) throw new Error(`the client knows no ${pallet}.${method}`);
    return create(...args);
  }

  setWeights(uids: readonly number[], weights: readonly number[], versionKey: number | bigint = 0, netuid = NETUID) {
    return this.call("subtensorModule", "setWeights", netuid, uids, weights, versionKey);
  }

  commitment(...fields: readonly Readonly<Record<string, unknown>>[]): Extrinsic {
    return this.call("commitments", "setCommitment", NETUID, { fields });
  }

  /** Signs, sends, and builds the block that includes it. Resolves to the refusal's name, null when there was none. */
  async include(extrinsic: Extrinsic, signer: KeyringPair): Promise<string | null> {
    const signed = await extrinsic.signAsync(signer, { nonce: -1 });
    await this.api.rpc.author.submitExtrinsic(signed);
    return await this.refusal(this.chain.buildBlock().hash, signed.hash.toHex());
  }

  /** How an extrinsic of a block ended: the error's `Pallet.Name`, or null for success. */
  async refusal(blockHash: string, extrinsicHash: string): Promise<string | null> {
    const { block } = await this.api.rpc.chain.getBlock(blockHash);
    const index = block.extrinsics.findIndex((extrinsic) => extrinsic.hash.toHex() === extrinsicHash);
    if (index === -1) throw new Error("the extrinsic is not in the block");
    for (const { event, phase } of await this.events(blockHash)) {
      const isOwn = phase.isApplyExtrinsic && phase.asApplyExtrinsic.toNumber() === index;
      if (!isOwn || event.section !== "system") continue;
      return event.method === "ExtrinsicSuccess" ? null : this.#errorName(event.data[0] as DispatchError);
    }
    throw new Error("the extrinsic has no outcome");
  }

  async events(blockHash: string): Promise<readonly EventRecord[]> {
    const events = await (await this.#entryAt(blockHash, "system", "events"))();
    return [...(events as Vec<EventRecord>)];
  }

  async #entryAt(hash: string, pallet: string, item: string): Promise<QueryableStorageEntry<"promise">> {
    const entry = (await this.api.at(hash)).query[pallet]?.[item];
    if (entry === undefined) throw new Error(`the client knows no ${pallet}.${item}`);
    return entry;
  }

  #errorName(error: DispatchError): string {
    if (!error.isModule) return error.type;
    const { section, name } = this.api.registry.findMetaError(error.asModule);
    return `${section}.${name}`;
  }
}

export interface Client {
  readonly api: ApiPromise;
  readonly provider: WsProvider;
}

/** A client as anyone would make one. */
export async function connect(url: string): Promise<Client> {
  const provider = new WsProvider(url, 50);
  const options = { provider, noInitWarn: true } as unknown as ApiOptions;
  const api = await ApiPromise.create(options);
  return { api, provider };
}

/** The error that a promise ends with, as the code and the words of the RPC. */
export async function rpcErrorOf(
  promise: Promise<unknown>,
): Promise<{ code: unknown; message: string; data: unknown }> {
  try {
    await promise;
  } catch (error) {
    const { code, message, data } = error as { code: unknown; message: string; data: unknown };
    return { code, message, data };
  }
  throw new Error("no error came");
}
