import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainConnection } from "./connection.ts";
import type { ChainSession } from "./session.ts";

/**
 * Reads of what one block held.
 *
 * A light node is asked first. What it has dropped, or never had, is asked of the archive list, which is connected when
 * it is first needed; without such a list the read fails. No block's state is ever answered from another block.
 */
export class StateReads {
  readonly #light: ChainConnection;
  readonly #archive: ChainConnection | null;

  constructor({ light, archive }: { readonly light: ChainConnection; readonly archive: ChainConnection | null }) {
    this.#light = light;
    this.#archive = archive;
  }

  /** @param read May run several times, each on another session. */
  async run<T>(read: (session: ChainSession) => Promise<T>): Promise<T> {
    try {
      return await overSessions(this.#light, read);
    } catch (error) {
      if (this.#archive === null || !isForArchive(error)) throw error;
      this.#archive.begin();
      return await overSessions(this.#archive, read);
    }
  }
}

/** Reads once more when the session ended meanwhile and another one has taken its place. */
async function overSessions<T>(connection: ChainConnection, read: (session: ChainSession) => Promise<T>): Promise<T> {
  const session = await connection.session();
  try {
    return await read(session);
  } catch (error) {
    if (!(error instanceof ChainError) || !isConnectionLoss(error)) throw error;
    const next = await connection.session();
    if (next === session) throw error;
    return await read(next);
  }
}

function isConnectionLoss({ code }: ChainError): boolean {
  return code === ChainErrorCode.Disconnected || code === ChainErrorCode.RequestDeadline;
}

function isForArchive(error: unknown): boolean {
  if (!(error instanceof ChainError)) return false;
  return error.code === ChainErrorCode.StateDiscarded || error.code === ChainErrorCode.BlockUnknown;
}
