import type { Signer } from "@assay/chain/hotkey";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { readSessionKey } from "@assay/checkpoint/session/session-key-file";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { type SessionKey, sessionKeyBytes } from "@assay/core/messages/session-key";
import type { BlockNumber } from "@assay/core/units";
import type { SigningGate } from "./signing-gate.ts";

export interface SessionKeySignerComponents {
  readonly signer: Signer;
  readonly inbox: Inbox;
  readonly gate: Pick<SigningGate, "isOpen">;
}

/** How long a signature is good: half an hour at 12 s, in which a stolen key could pass for ours. */
const VALID_BLOCKS = 150;

/** Vouches with the hotkey for the key that the model server left in the inbox. */
export class SessionKeySigner {
  readonly #components: SessionKeySignerComponents;
  #signed: SessionKey | null = null;

  constructor(components: SessionKeySignerComponents) {
    this.#components = components;
  }

  /** The server's key, signed; signed anew when half of its time is over. Null while there is none, or we may not sign. */
  async current(block: BlockNumber): Promise<SessionKey | null> {
    const { signer, inbox, gate } = this.#components;
    const publicKey = await readSessionKey(inbox.sessionKeyPath);
    if (publicKey === null || !gate.isOpen) return null;
    if (this.#signed?.public_key === publicKey && isYoung(this.#signed, block)) return this.#signed;
    const unsigned = {
      public_key: publicKey,
      hotkey: signer.address,
      signed_block: block,
      valid_until_block: block + VALID_BLOCKS,
    };
    this.#signed = { ...unsigned, signature: encodeBase64Url(signer.sign(sessionKeyBytes(unsigned))) };
    return this.#signed;
  }
}

/** A chain that was reorganised may be at an earlier block again. */
function isYoung({ signed_block }: SessionKey, block: BlockNumber): boolean {
  return block >= signed_block && block < signed_block + VALID_BLOCKS / 2;
}
