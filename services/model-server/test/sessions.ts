import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request as requestOf } from "node:http";
import { connect, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { SessionAgent, type SessionAgentOptions } from "@assay/checkpoint/session/session-agent";
import { RecordOpener, RecordSealer } from "@assay/checkpoint/session/session-records";
import { clientSecrets, createSessionKeyPair } from "@assay/checkpoint/session/session-secrets";
import { type SessionKey, sessionKeyBytes } from "@assay/core/messages/session-key";
import { isSignedBy } from "../src/auth/hotkey-signature.ts";
import { type Keypair, VERA } from "./miners.ts";
import { type ServerFixture, TOKEN } from "./server-fixture.ts";

/** What the evaluator would write into the view of the chain: the key in the inbox, signed. */
export async function signedSessionKey(
  { layout }: ServerFixture,
  changes: Partial<SessionKey> = {},
  signer: Keypair = VERA,
): Promise<SessionKey> {
  const { public_key } = JSON.parse(await readFile(new Inbox(layout.inbox).sessionKeyPath, "utf8"));
  const unsigned = { public_key, hotkey: VERA.hotkey, signed_block: 100, valid_until_block: 1_000_000, ...changes };
  return { ...unsigned, signature: signer.sign(sessionKeyBytes(unsigned)) };
}

/** A client that knows Vera as the validator. */
export function sessionAgent(changes: Partial<SessionAgentOptions> = {}): SessionAgent {
  return new SessionAgent({ hotkey: VERA.hotkey, block: () => 136, isSignedBy, ...changes });
}

export interface SessionReply {
  readonly status: number | undefined;
  readonly body: Buffer;
}

/** A request with the token, inside a session of the agent's. */
export async function ask(
  agent: SessionAgent,
  url: string,
  init: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: Uint8Array } = {},
): Promise<SessionReply> {
  const { method = "GET", headers = {}, body } = init;
  const request = requestOf(url, { agent, method, headers: { authorization: `Bearer ${TOKEN}`, ...headers } });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  request.on("error", failed.reject).end(body);
  const [response] = (await Promise.race([failed.promise, once(request, "response")])) as [IncomingMessage];
  return { status: response.statusCode, body: await Promise.race([failed.promise, buffer(response)]) };
}

/** A session whose records a test makes itself. */
export interface RawSession {
  readonly socket: Socket;
  readonly sealer: RecordSealer;
  /** All that comes until the server closes, and whether it said that it was done. */
  rest(): Promise<{ readonly text: string; readonly isEnded: boolean }>;
}

/** Begins a session over a socket of its own. @param headers of the handshake. */
export async function beginRawly(url: string, headers: Record<string, string> = {}): Promise<RawSession> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  const fresh = createSessionKeyPair();
  const own = { Host: "x", Connection: "Upgrade", Upgrade: "assay-session", "X-Session-Key": fresh.publicKey };
  const lines = Object.entries({ ...own, ...headers }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET /session HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const [answer] = (await Promise.race([once(socket, "data"), closed(socket).then(() => [])])) as [Buffer?];
  const head = answer?.toString("latin1") ?? "nothing";
  const headerOf = (name: string) => new RegExp(`^${name}: (.*)\r$`, "im").exec(head)?.[1] ?? "";
  const signed: SessionKey = JSON.parse(headerOf("X-Session-Signed-Key") || "{}");
  const secrets = clientSecrets(fresh, signed.public_key, headerOf("X-Session-Key"));
  if (!head.startsWith("HTTP/1.1 101 ") || secrets === null) throw new Error(`No session: ${head}`);
  return { socket, sealer: new RecordSealer(secrets.toServer), rest: () => restOf(socket, secrets.toClient) };
}

/** When a socket is gone, whatever ended it. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.on("error", () => undefined).once("close", resolve));
}

async function restOf(socket: Socket, key: Uint8Array): Promise<{ readonly text: string; readonly isEnded: boolean }> {
  const opener = new RecordOpener(key);
  let plain = "";
  socket.on("data", (chunk: Buffer) => {
    for (const bytes of opener.open(chunk)) plain += bytes.toString("latin1");
  });
  await closed(socket);
  return { text: plain, isEnded: opener.isEnded };
}
