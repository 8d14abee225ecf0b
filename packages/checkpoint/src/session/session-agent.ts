import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type SessionKey, sessionKeyBytes, sessionKeySchema, sessionKeyText } from "@assay/core/messages/session-key";
import type { BlockNumber, Hotkey } from "@assay/core/units";
import { SessionError, SessionErrorCode } from "./session-error.ts";
import { clientSecrets, createSessionKeyPair, SESSION_PROTOCOL } from "./session-secrets.ts";
import { SessionStream } from "./session-stream.ts";

export interface SessionAgentOptions {
  /** The validator's hotkey as the chain names it: what the server must prove to belong to. */
  readonly hotkey: Hotkey;
  /** The current block, as the client knows it from the chain. */
  readonly block: () => BlockNumber;
  /** Whether the hotkey signed these bytes (sr25519 or ed25519). */
  readonly isSignedBy: (hotkey: Hotkey, signature: string, bytes: Uint8Array) => boolean;
  /** Longest time until a session stands, in milliseconds; 10,000 unless given. */
  readonly timeoutMillis?: number;
}

/**
 * Connections to a model server on which HTTP goes inside an encrypted session, for `agent` of any client that takes one.
 *
 * There is no way back to plain HTTP: a server that offers no session, or whose key the validator's hotkey does not
 * vouch for, is not talked to. Requests fail with a {@link SessionError} then.
 */
export class SessionAgent extends Agent {
  readonly #options: SessionAgentOptions;

  constructor(options: SessionAgentOptions) {
    super({ keepAlive: true });
    this.#options = options;
  }

  override createConnection(
    target: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    openSession(target, this.#options).then(
      (stream) => callback?.(null, stream),
      (error: Error) => callback?.(error, undefined as never),
    );
    return undefined;
  }
}

/** Blocks that another's view of the chain may be ahead of ours. */
const BLOCKS_AHEAD = 5;

async function openSession(target: ClientRequestArgs, options: SessionAgentOptions): Promise<SessionStream> {
  const fresh = createSessionKeyPair();
  const { host, port, lookup, family } = target;
  const asking = request({
    host,
    port,
    ...(lookup !== undefined && { lookup }),
    ...(family !== undefined && { family }),
    path: "/session",
    agent: false,
    headers: { Connection: "Upgrade", Upgrade: SESSION_PROTOCOL, "X-Session-Key": fresh.publicKey },
  });
  const { response, socket, head } = await upgraded(asking, options.timeoutMillis ?? 10_000);
  const { "x-session-key": server, "x-session-signed-key": signedText } = response.headers;
  const signed = parsedKey(String(signedText));
  const refusal = signed === null ? "The server's key is malformed" : keyRefusal(signed, options);
  if (signed === null || refusal !== null) {
    socket.destroy();
    throw new SessionError(SessionErrorCode.KeyRefused, refusal ?? "", { fields: { ...signed } });
  }
  const secrets = sessionKeyText.safeParse(server).success
    ? clientSecrets(fresh, signed.public_key, String(server))
    : null;
  if (secrets === null) {
    socket.destroy();
    throw new SessionError(SessionErrorCode.Refused, "The server's answer is no handshake");
  }
  return new SessionStream(socket, head, { sendKey: secrets.toServer, receiveKey: secrets.toClient });
}

interface Upgraded {
  readonly response: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

async function upgraded(asking: ClientRequest, timeoutMillis: number): Promise<Upgraded> {
  const { promise, resolve, reject } = Promise.withResolvers<Upgraded>();
  const timer = setTimeout(() => asking.destroy(refused("The server does not answer")), timeoutMillis);
  asking
    .once("upgrade", (response, socket, head) => resolve({ response, socket: socket as Socket, head }))
    .once("response", ({ statusCode }) => asking.destroy(refused("The server begins no session", statusCode)))
    .on("error", reject)
    .end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function refused(message: string, status?: number): SessionError {
  return new SessionError(SessionErrorCode.Refused, message, { retryable: true, fields: { status } });
}

function parsedKey(text: string): SessionKey | null {
  try {
    return sessionKeySchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Why a server's key is not to be believed; null when it is. */
function keyRefusal(key: SessionKey, { hotkey, block, isSignedBy }: SessionAgentOptions): string | null {
  if (key.hotkey !== hotkey) return "The server's key belongs to another hotkey";
  if (key.signed_block > block() + BLOCKS_AHEAD) return "The server's key is signed at a block that is not yet";
  if (key.valid_until_block < block()) return "The signature of the server's key has expired";
  return isSignedBy(hotkey, key.signature, sessionKeyBytes(key)) ? null : "The hotkey did not sign the server's key";
}
