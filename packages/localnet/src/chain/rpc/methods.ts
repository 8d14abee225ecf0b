import { hexToU8a } from "@assay/chain/polkadot/library";
import type { BlockHash } from "@assay/core/units";
import type { Block } from "../blocks/block.ts";
import type { Chain } from "../chain.ts";
import { SS58_PREFIX } from "../metadata/system-pallet.ts";
import type { Params } from "./params.ts";
import { callRuntime } from "./runtime-calls.ts";

export type RpcMethod = (params: Params) => unknown;
export type RpcMethods = Readonly<Record<string, RpcMethod>>;

const CHAIN_NAME = "Bittensor development chain";
const MAX_KEYS_PER_PAGE = 1000;
/** What `state_getMetadata` answers with on every real chain. */
const OLDEST_METADATA = 14;

/** Every method that answers once, as on a real node. */
export function rpcMethods(chain: Chain): RpcMethods {
  return { ...systemMethods(chain), ...chainMethods(chain), ...stateMethods(chain) };
}

function systemMethods(chain: Chain): RpcMethods {
  const nextIndex: RpcMethod = (params) => chain.pool.nextIndex(params.string(0));
  return {
    system_chain: () => CHAIN_NAME,
    system_name: () => chain.runtimeVersion.implName,
    system_version: () => String(chain.runtimeVersion.specVersion),
    system_chainType: () => ({ Development: null }),
    system_properties: () => ({ ss58Format: SS58_PREFIX, tokenDecimals: 9, tokenSymbol: "TAO" }),
    system_health: () => ({ peers: 0, isSyncing: false, shouldHavePeers: false }),
    system_accountNextIndex: nextIndex,
    account_nextIndex: nextIndex,
    author_pendingExtrinsics: () => chain.pool.pending.map(({ hex }) => hex),
    author_submitExtrinsic: (params) => chain.admission.submit(params.at(0), null),
    payment_queryInfo: () => ({ weight: { refTime: 0, proofSize: 0 }, class: "Normal", partialFee: "0" }),
  };
}

function chainMethods(chain: Chain): RpcMethods {
  const at = (params: Params) => chain.find(params.stringOrNull(0));
  return {
    chain_getBlockHash: (params) => {
      const wanted = params.at(0);
      if (wanted === null) return chain.head.hash;
      return Array.isArray(wanted)
        ? wanted.map((number) => chain.hashAt(Number(number)))
        : chain.hashAt(Number(wanted));
    },
    chain_getFinalizedHead: () => chain.finalized.hash,
    chain_getHeader: (params) => at(params)?.header ?? null,
    chain_getBlock: (params) => signedBlock(at(params)),
  };
}

function signedBlock(block: Block | null): unknown {
  if (block === null) return null;
  return { block: { header: block.header, extrinsics: block.extrinsics }, justifications: null };
}

function stateMethods(chain: Chain): RpcMethods {
  const runtime = (params: Params) => chain.stateAt(params.stringOrNull(0)).runtime;
  const version: RpcMethod = (params) => runtime(params).version;
  const storage: RpcMethod = (params) => chain.stateAt(params.stringOrNull(1)).get(params.string(0));
  return {
    state_getRuntimeVersion: version,
    chain_getRuntimeVersion: version,
    state_getMetadata: (params) => runtime(params).metadata.get(OLDEST_METADATA),
    state_getStorage: storage,
    state_getStorageAt: storage,
    state_getStorageSize: (params) => {
      const value = chain.stateAt(params.stringOrNull(1)).get(params.string(0));
      return value === null ? null : value.length / 2 - 1;
    },
    state_queryStorageAt: (params) => {
      const state = chain.stateAt(params.stringOrNull(1));
      return [{ block: state.block.hash, changes: params.strings(0).map((key) => [key, state.get(key)]) }];
    },
    state_getKeysPaged: (params) => {
      const count = Math.min(params.count(1), MAX_KEYS_PER_PAGE);
      return keysAfter(chain, params.string(0), params.stringOrNull(2), params.stringOrNull(3)).slice(0, count);
    },
    state_getKeys: (params) => keysAfter(chain, params.string(0), null, params.stringOrNull(1)),
    state_call: (params) =>
      callRuntime(chain, chain.stateAt(params.stringOrNull(2)), params.string(0), hexToU8a(params.string(1))),
  };
}

function keysAfter(chain: Chain, prefix: string, start: string | null, hash: BlockHash | null): readonly string[] {
  const keys = chain.stateAt(hash).keys(prefix);
  return start === null ? keys : keys.filter((key) => key > start);
}
