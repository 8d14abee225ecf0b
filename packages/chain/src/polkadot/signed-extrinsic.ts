import type { BlockNumber } from "@assay/core/units";
import type { IKeyringPair } from "@polkadot/types/types";
import type { ChainCall, ChainHead } from "../chain-client.ts";
import type { Signer } from "../hotkey.ts";
import { extrinsicOf } from "./calls.ts";
import { decodeAddress, u8aConcat } from "./library.ts";
import { mortalityFor } from "./mortality.ts";
import type { ChainSession } from "./session.ts";

/** An extrinsic ready to be sent, as often as need be. */
export interface SignedExtrinsic {
  /** Encoded, as in a block's body. */
  readonly hex: string;
  readonly hash: string;
  readonly nonce: number;
  /** Last block that may include it. */
  readonly lastBlock: BlockNumber;
  /** Version of the runtime that the signature names; no other one accepts it. */
  readonly specVersion: number;
}

export interface SigningTerms {
  readonly nonce: number;
  readonly finalized: ChainHead;
  readonly deadlineBlock: BlockNumber;
  /** What block authors get for preferring the extrinsic, in rao. */
  readonly tipRao: bigint;
}

/** Signs a call so that it is valid until the deadline block, and not after. */
export async function signExtrinsic(
  session: ChainSession,
  signer: Signer,
  call: ChainCall,
  terms: SigningTerms,
): Promise<SignedExtrinsic> {
  const { api } = session;
  const { birth, period, lastBlock } = mortalityFor(terms.finalized.number, terms.deadlineBlock);
  const blockHash = await session.request<string>("chain_getBlockHash", [birth]);
  const extrinsic = extrinsicOf(api, call).sign(pairOf(signer), {
    blockHash,
    era: api.registry.createType("ExtrinsicEra", { current: birth, period }),
    genesisHash: api.genesisHash,
    nonce: terms.nonce,
    runtimeVersion: api.runtimeVersion,
    tip: terms.tipRao,
  });
  const { specVersion } = session;
  return { hex: extrinsic.toHex(), hash: extrinsic.hash.toHex(), nonce: terms.nonce, lastBlock, specVersion };
}

/** Numbers of the types in the chain's `MultiSignature`. */
const SIGNATURE_VARIANTS: Readonly<Record<Signer["type"], Uint8Array>> = {
  ed25519: Uint8Array.of(0),
  sr25519: Uint8Array.of(1),
};

/** The little that signing an extrinsic asks of a key pair: a signature, with its type in front when asked for. */
function pairOf(signer: Signer): IKeyringPair {
  const publicKey = decodeAddress(signer.address);
  return {
    address: signer.address,
    addressRaw: publicKey,
    publicKey,
    sign: (bytes, options) => {
      const signature = signer.sign(bytes);
      return options?.withType === true ? u8aConcat(SIGNATURE_VARIANTS[signer.type], signature) : signature;
    },
  };
}
