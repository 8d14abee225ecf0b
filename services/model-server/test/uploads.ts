import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { TOKEN } from "./server-fixture.ts";

export interface UploadReply {
  readonly status: number | undefined;
  readonly error: unknown;
}

/** An upload whose body the test sends piece by piece. */
export function upload(
  { url }: { readonly url: string },
  headers: Record<string, string>,
): { readonly request: ClientRequest; readonly response: Promise<UploadReply> } {
  const { promise, resolve, reject } = Promise.withResolvers<UploadReply>();
  const request = httpRequest(
    `${url}/submit`,
    { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, ...headers } },
    (response) => {
      replyOf(response).then(resolve, reject);
    },
  );
  request.on("error", reject);
  promise.catch(() => undefined);
  return { request, response: promise };
}

async function replyOf(response: IncomingMessage): Promise<UploadReply> {
  const reply = await text(response);
  return { status: response.statusCode, error: JSON.parse(reply).error };
}

/**
 * Sends a request over a socket of its own and reads nothing before all of it is sent.
 *
 * @returns what came until the server closed the connection.
 * @throws when the connection was reset.
 */
export async function sendBlindly(
  { url }: { readonly url: string },
  headers: Record<string, string>,
  body: Uint8Array,
): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const all = { host: "test", authorization: `Bearer ${TOKEN}`, "content-length": String(body.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.write(`POST /submit HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.write(body, (error) => (error ? reject(error) : resolve()));
  });
  return await text(socket);
}
