import { sha256Hex } from "@assay/core/hash/sha256";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { blockMessage, uploadMessage } from "@assay/core/messages/block-message";
import { requestMessageBytes } from "@assay/core/messages/request-message";
import type { SubmitMessage } from "@assay/core/messages/submit-message";
import { submitMessageBytes } from "@assay/core/messages/submit-message";
import {
  ed25519PairFromSeed,
  ed25519Sign,
  encodeAddress,
  sr25519PairFromSeed,
  sr25519Sign,
} from "@polkadot/util-crypto";

/** A hotkey of a test, with its secret. */
export interface Keypair {
  readonly hotkey: string;
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): string;
}

export function keypair(name: string, type: "sr25519" | "ed25519" = "sr25519"): Keypair {
  const seed = new TextEncoder().encode(name.padEnd(32, "."));
  const pair = type === "sr25519" ? sr25519PairFromSeed(seed) : ed25519PairFromSeed(seed);
  const sign = type === "sr25519" ? sr25519Sign : ed25519Sign;
  return {
    hotkey: encodeAddress(pair.publicKey, 42),
    publicKey: pair.publicKey,
    sign: (message) => encodeBase64Url(sign(message, pair)),
  };
}

export const ALICE: Keypair = keypair("alice");
export const BOB: Keypair = keypair("bob");
export const VERA: Keypair = keypair("vera");
export const EDDY: Keypair = keypair("eddy", "ed25519");
export const NELL: Keypair = keypair("nell");
export const STRANGER: Keypair = keypair("stranger");

/** Headers of a push of these bytes; `changes` says what is claimed otherwise, and still signed. */
export function pushHeaders(
  miner: Keypair,
  content: Uint8Array,
  changes: Partial<SubmitMessage> = {},
): Record<string, string> {
  const hash = `sha256:${sha256Hex(content)}`;
  const message = { hotkey: miner.hotkey, expertGroup: 0, location: hash, blockNumber: 176, ...changes };
  return {
    "content-type": "application/octet-stream",
    "x-hotkey": message.hotkey,
    "x-expert-group": String(message.expertGroup),
    "x-block-number": String(message.blockNumber),
    "x-content-hash": message.location,
    "x-signature": miner.sign(submitMessageBytes(message)),
  };
}

/** The JSON body of a pull. */
export function pullBody(miner: Keypair, url: string, changes: Partial<SubmitMessage> = {}): string {
  const message = { hotkey: miner.hotkey, expertGroup: 0, location: url, blockNumber: 176, ...changes };
  return JSON.stringify({
    hotkey: message.hotkey,
    expert_group: message.expertGroup,
    checkpoint_url: message.location,
    block_number: message.blockNumber,
    signature: miner.sign(submitMessageBytes(message)),
  });
}

/** What an older miner's form says, and what of it is not so. */
export interface LegacyChanges {
  readonly target?: Keypair;
  readonly blockNumber?: number;
  /** Whose name the form carries; the signer's unless given. */
  readonly origin?: Keypair;
  /** The block that is signed, when it is another than the form says. */
  readonly signedBlock?: number;
}

/** The fields of `GET /get-checkpoint`, but for the group. */
export function legacyDownloadFields(signer: Keypair, changes: LegacyChanges = {}): Record<string, string> {
  const { target = VERA, blockNumber = 136, origin = signer, signedBlock = blockNumber } = changes;
  return {
    target_hotkey_ss58: target.hotkey,
    origin_hotkey_ss58: origin.hotkey,
    origin_block: String(blockNumber),
    signature: signer.sign(blockMessage(target.publicKey, signedBlock)),
  };
}

/** The fields of `POST /submit-checkpoint`, but for the file. */
export function legacyUploadFields(
  signer: Keypair,
  content: Uint8Array,
  changes: LegacyChanges = {},
): Record<string, string> {
  const { target = VERA, blockNumber = 176, origin = signer, signedBlock = blockNumber } = changes;
  const hash = sha256Hex(content);
  return {
    origin_block: String(blockNumber),
    target_hotkey_ss58: target.hotkey,
    origin_hotkey_ss58: origin.hotkey,
    model_hex: hash,
    block_hex: Buffer.from(blockMessage(target.publicKey, blockNumber)).toString("hex"),
    signature: signer.sign(uploadMessage(Buffer.from(hash, "hex"), target.publicKey, signedBlock)),
  };
}

/** A form as the older miners' client sends it: fields first, then the file. */
export function legacyForm(fields: Record<string, string>, content: Uint8Array, name = "model.safetensors"): FormData {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append("file", new Blob([Buffer.from(content)]), name);
  return form;
}

export interface SignedGet {
  readonly path?: string;
  readonly method?: string;
  readonly blockNumber?: number;
  readonly nonce?: string;
  /** Hotkey of the validator that alone may take the request. */
  readonly target?: string | undefined;
}

/** Headers of a signed request without body. */
export function signedHeaders(validator: Keypair, options: SignedGet = {}): Record<string, string> {
  const { path = "/model/full", method = "GET", blockNumber = 136, nonce = crypto.randomUUID(), target } = options;
  const bodySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const { hotkey } = validator;
  const message = requestMessageBytes({ method, path, bodySha256, hotkey, blockNumber, nonce, target });
  return {
    "x-hotkey": validator.hotkey,
    "x-block": String(blockNumber),
    "x-nonce": nonce,
    ...(target !== undefined && { "x-target": target }),
    "x-signature": validator.sign(message),
  };
}
