/** Why a session ended or could not begin; a label of metrics, so a short list. */
export type EndCause =
  /** Nobody listens there, or the handshake failed. */
  | "refused"
  /** The endpoint serves another chain than the first one did. */
  | "wrong_chain"
  /** The endpoint is still catching up: what it calls the head is an old block. */
  | "syncing"
  /** The connection ended under us. */
  | "lost"
  /** Requests stay unanswered. */
  | "deadline"
  /** No new blocks come. */
  | "silence"
  /** The chain's runtime changed; the next session starts with the new one's metadata. */
  | "upgrade"
  /** A preferred endpoint is back. */
  | "failback"
  | "stopped";

export interface SessionEnd {
  readonly cause: EndCause;
  /** The same for people. */
  readonly reason: string;
}

/** Whether an end says something against the endpoint. */
export function isFailure({ cause }: SessionEnd): boolean {
  return cause !== "upgrade" && cause !== "failback" && cause !== "stopped";
}
