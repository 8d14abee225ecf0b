import { blake2AsHex, compactAddLength, hexToU8a, u8aConcat, u8aToHex } from "@assay/chain/polkadot/library";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import type { StateChanges } from "../state/state-history.ts";
import type { Block, HeaderJson } from "./block.ts";

const NO_PARENT = `0x${"00".repeat(32)}`;

export interface BlockContents {
  readonly parent: Block | null;
  readonly extrinsics: readonly string[];
  readonly timestamp: number;
  readonly changes: StateChanges;
  /** Number of the fork that the block's branch began with, so that no block of it equals one of another branch. */
  readonly fork?: number | null;
}

/** Index of a digest item that is nobody's in particular. */
const OTHER_DIGEST = 0;

/**
 * Gives a block its header and hash.
 *
 * The roots are plain hash chains, not tries: equal chains have equal hashes, but nothing can be proven with them.
 */
export function sealBlock(
  codec: RuntimeCodec,
  { parent, extrinsics, timestamp, changes, fork = null }: BlockContents,
): Block {
  const number = parent === null ? 0 : parent.number + 1;
  const parentHash = parent?.hash ?? NO_PARENT;
  const stateRoot = chainRoot(parent?.header.stateRoot ?? NO_PARENT, stateLines(changes));
  const extrinsicsRoot = chainRoot(NO_PARENT, extrinsics);
  const digest = { logs: fork === null ? [] : [forkDigest(codec, fork)] };
  const header = codec.registry.createType("Header", { parentHash, number, stateRoot, extrinsicsRoot, digest });
  const json: HeaderJson = {
    parentHash,
    number: `0x${number.toString(16)}`,
    stateRoot,
    extrinsicsRoot,
    digest,
  };
  return { number, hash: header.hash.toHex(), header: json, extrinsics, timestamp };
}

function forkDigest(codec: RuntimeCodec, fork: number): string {
  const bytes = codec.registry.createType("u32", fork).toU8a();
  return u8aToHex(u8aConcat(new Uint8Array([OTHER_DIGEST]), compactAddLength(bytes)));
}

function stateLines(changes: StateChanges): readonly string[] {
  return [...changes]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([key, value]) => [key, value ?? "0x"]);
}

function chainRoot(previous: string, parts: readonly string[]): `0x${string}` {
  return blake2AsHex(u8aConcat(hexToU8a(previous), ...parts.map((part) => hexToU8a(part))), 256);
}
