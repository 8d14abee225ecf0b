import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { removeSessionKey, writeSessionKey } from "@assay/checkpoint/session/session-key-file";
import {
  createSessionKeyPair,
  type SessionKeyPair,
  type SessionSecrets,
  serverSecrets,
} from "@assay/checkpoint/session/session-secrets";
import type { ChainView } from "@assay/core/chain-view";
import type { SessionKey } from "@assay/core/messages/session-key";
import type { Startable } from "@assay/runtime/lifecycle/startable";

/** What a handshake answers, and the secrets that follow from it. */
export interface BegunSession {
  /** This connection's own public key. */
  readonly publicKey: string;
  readonly secrets: SessionSecrets;
}

/**
 * The key of this process for encrypted sessions: made at each start, in memory alone, its public half in the inbox.
 *
 * This process has no hotkey, so the evaluator signs what it finds there.
 */
export class SessionKeeper implements Startable {
  readonly #inbox: Inbox;
  readonly #pair: SessionKeyPair | null;

  /** @param isEnabled without it what an earlier process left in the inbox is removed, so that nobody signs it. */
  constructor({ inbox }: { readonly inbox: Inbox }, { isEnabled }: { readonly isEnabled: boolean }) {
    this.#inbox = inbox;
    this.#pair = isEnabled ? createSessionKeyPair() : null;
  }

  get isEnabled(): boolean {
    return this.#pair !== null;
  }

  async start(_signal: AbortSignal): Promise<void> {
    if (this.#pair === null) await removeSessionKey(this.#inbox.sessionKeyPath);
    else await writeSessionKey(this.#inbox.sessionKeyPath, this.#pair.publicKey);
  }

  async stop(): Promise<void> {}

  /** This process's key as the validator's hotkey vouches for it now; null until it does. */
  signedKey({ sessionKey, block, validatorHotkey }: ChainView): SessionKey | null {
    const isOurs = sessionKey?.public_key === this.#pair?.publicKey && sessionKey?.hotkey === validatorHotkey;
    return sessionKey !== undefined && isOurs && sessionKey.valid_until_block >= block ? sessionKey : null;
  }

  /** Answers a client's key with a fresh one; null when the client's is no key. */
  begin(client: string): BegunSession | null {
    if (this.#pair === null) return null;
    const fresh = createSessionKeyPair();
    const secrets = serverSecrets(this.#pair, fresh, client);
    return secrets === null ? null : { publicKey: fresh.publicKey, secrets };
  }
}
