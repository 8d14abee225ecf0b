import {
  blake2AsHex,
  blake2AsU8a,
  ed25519Verify,
  GenericExtrinsicSignatureV4,
  hexToU8a,
  isHex,
  sr25519Verify,
} from "@assay/chain/polkadot/library";
import type { BlockHash, BlockNumber, Hotkey } from "@assay/core/units";
import type { GenericExtrinsic } from "@polkadot/types";
import type { Call } from "@polkadot/types/interfaces";
import type { RuntimeVersion } from "../metadata/runtime-version.ts";
import { invalidTransaction, RpcError, RpcErrorCode } from "../rpc/rpc-error.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";

/** An extrinsic whose signature was checked. */
export interface SignedExtrinsic {
  readonly hex: string;
  readonly hash: string;
  readonly signer: Hotkey;
  readonly nonce: number;
  /** What it pays to come first, in rao. */
  readonly tip: bigint;
  /** First block that may no longer include it; null when it never dies. */
  readonly diesAt: BlockNumber | null;
  readonly call: Call;
}

/** What a signature covers besides the extrinsic's own bytes. */
export interface SigningContext {
  readonly runtimeVersion: RuntimeVersion;
  readonly head: BlockNumber;
  blockHash(block: BlockNumber): BlockHash | null;
}

const EXTRINSIC_VERSION = 4;
const VERSION_MASK = 0x7f;
const ACCOUNT_BYTES = 32;
/** Longer payloads are signed by their hash. */
const MAX_PLAIN_PAYLOAD_BYTES = 256;

/** Hash of an extrinsic's bytes, which may be any; null for what is no bytes. */
export function extrinsicHash(hex: unknown): string | null {
  return isHex(hex) ? blake2AsHex(hexToU8a(hex), 256) : null;
}

/** Decodes an extrinsic and checks its signature over the payload that this chain would have signed. */
export function readSignedExtrinsic(codec: RuntimeCodec, hex: unknown, context: SigningContext): SignedExtrinsic {
  const extrinsic = decode(codec, hex);
  if (!extrinsic.isSigned) throw invalidTransaction("Transaction call is not expected");
  const { era } = extrinsic;
  const birth = era.isMortalEra ? era.asMortalEra.birth(context.head) : null;
  const checkpoint = context.blockHash(birth ?? 0);
  if (checkpoint === null) throw invalidTransaction("Transaction birth block ancient");
  if (!isSignatureValid(extrinsic, signedPayload(codec, extrinsic, checkpoint, context))) {
    throw invalidTransaction("Transaction has a bad signature");
  }
  return {
    hex: extrinsic.toHex(),
    hash: blake2AsHex(extrinsic.toU8a(), 256),
    signer: extrinsic.signer.toString(),
    nonce: extrinsic.nonce.toNumber(),
    tip: extrinsic.tip.toBigInt(),
    diesAt: birth === null ? null : era.asMortalEra.death(context.head),
    call: extrinsic.method as Call,
  };
}

function decode(codec: RuntimeCodec, hex: unknown): GenericExtrinsic {
  if (!isHex(hex)) throw new RpcError(RpcErrorCode.InvalidParams, "Invalid params", "extrinsic is not hexadecimal");
  try {
    const bytes = hexToU8a(hex);
    const extrinsic = codec.registry.createType("Extrinsic", bytes);
    if (extrinsic.encodedLength !== bytes.length) throw new RangeError("bytes are left over");
    if ((extrinsic.version & VERSION_MASK) !== EXTRINSIC_VERSION) throw new RangeError("not an extrinsic of version 4");
    return extrinsic as unknown as GenericExtrinsic;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(RpcErrorCode.Verification, "Verification Error: Runtime error: Execution failed", reason);
  }
}

function signedPayload(
  codec: RuntimeCodec,
  extrinsic: GenericExtrinsic,
  checkpoint: BlockHash,
  { runtimeVersion, blockHash }: SigningContext,
): Uint8Array {
  const payload = codec.registry.createType(
    "ExtrinsicPayload",
    {
      method: extrinsic.method.toHex(),
      era: extrinsic.era.toHex(),
      nonce: extrinsic.nonce,
      tip: extrinsic.tip,
      specVersion: runtimeVersion.specVersion,
      transactionVersion: runtimeVersion.transactionVersion,
      genesisHash: blockHash(0),
      blockHash: checkpoint,
      mode: 0,
      metadataHash: null,
    },
    { version: EXTRINSIC_VERSION },
  );
  return payload.toU8a({ method: true });
}

/** Hotkeys are sr25519; ed25519 keys are accepted as the chain does, ecdsa ones are not simulated. */
function isSignatureValid(extrinsic: GenericExtrinsic, payload: Uint8Array): boolean {
  const message = payload.length > MAX_PLAIN_PAYLOAD_BYTES ? blake2AsU8a(payload) : payload;
  const publicKey = extrinsic.signer.toU8a().slice(-ACCOUNT_BYTES);
  const envelope: unknown = extrinsic.inner.signature;
  if (!(envelope instanceof GenericExtrinsicSignatureV4)) return false;
  const signature = extrinsic.signature.toU8a();
  const { type } = envelope.multiSignature;
  try {
    if (type === "Sr25519") return sr25519Verify(message, signature, publicKey);
    return type === "Ed25519" && ed25519Verify(message, signature, publicKey);
  } catch {
    // Bytes that are no signature at all are a wrong one, too.
    return false;
  }
}
