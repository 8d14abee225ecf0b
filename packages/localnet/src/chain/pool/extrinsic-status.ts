import type { BlockHash } from "@assay/core/units";

/** What a watcher of an extrinsic hears, in the form of the RPC's notifications. */
export type ExtrinsicStatus =
  | "future"
  | "ready"
  /** Told to these peers. */
  | { readonly broadcast: readonly string[] }
  | { readonly inBlock: BlockHash }
  /** The block that held it was abandoned. */
  | { readonly retracted: BlockHash }
  /** Its block was not final after so many blocks that the pool gave up watching. */
  | { readonly finalityTimeout: BlockHash }
  | { readonly finalized: BlockHash }
  /** An extrinsic of the same nonce took its place. */
  | { readonly usurped: string }
  /** The pool was too full to keep it. */
  | "dropped"
  | "invalid";

export type StatusListener = (status: ExtrinsicStatus) => void;
