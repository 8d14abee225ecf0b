import type { BlockHash, BlockNumber } from "@assay/core/units";

/** A header in the form of the RPC's answers. */
export interface HeaderJson {
  readonly parentHash: BlockHash;
  readonly number: `0x${string}`;
  readonly stateRoot: `0x${string}`;
  readonly extrinsicsRoot: `0x${string}`;
  readonly digest: { readonly logs: readonly string[] };
}

/** A block that was built. */
export interface Block {
  readonly number: BlockNumber;
  readonly hash: BlockHash;
  readonly header: HeaderJson;
  /** SCALE bytes of each extrinsic in hexadecimal. */
  readonly extrinsics: readonly string[];
  /** Time of the block in milliseconds since 1970. */
  readonly timestamp: number;
}
