import type { KeyWarning } from "@assay/chain/hotkey";
import type { KeyFileEncryption } from "@assay/chain/keys/key-file-encryption";
import type { KeyType } from "@assay/chain/keys/key-pair";
import type { OwnNeuron } from "../operator/own-neuron.ts";
import type { Problem } from "../operator/problem.ts";

/** What `assay wallet check` says. */
export interface WalletReport {
  /** Null when the hotkey comes from a secret URI. */
  readonly wallet: {
    readonly path: string;
    readonly name: string;
    /** From `coldkeypub.txt`; null without it. */
    readonly coldkey: string | null;
  } | null;
  readonly hotkey: HotkeyFacts;
  /** Null when no endpoint was named, or the address is not known. */
  readonly neuron: OwnNeuron | null;
  /** Codes of what works and should not stay so. */
  readonly warnings: readonly KeyWarning[];
  readonly problems: readonly Problem[];
}

export interface HotkeyFacts {
  readonly name: string | null;
  readonly file: string | null;
  readonly mode: string | null;
  readonly encryption: KeyFileEncryption | null;
  readonly address: string | null;
  readonly type: KeyType | null;
  readonly canSign: boolean;
}
