import { once } from "node:events";
import { get, type IncomingMessage, request as requestOf } from "node:http";
import { connect, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { TOKEN } from "./server-fixture.ts";

/** A connection of its own on which a test says exactly what it wants. */
export async function connectTo(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Sends these bytes and returns all that comes back until the server closes. */
export async function exchange(
  url: string,
  bytes: string | Uint8Array,
): Promise<{ status: string; error: unknown; text: string }> {
  const socket = await connectTo(url);
  socket.write(bytes);
  const answer = await text(socket);
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: head.split(" ")[1] ?? "", error: body === "" ? null : JSON.parse(body).error, text: answer };
}

/** A GET with a form as its body, which only older clients send. */
export async function getWithForm(
  url: string,
  fields: Record<string, string>,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${TOKEN}` },
): Promise<Response> {
  const body = new URLSearchParams(fields).toString();
  const type = { "content-type": "application/x-www-form-urlencoded", "content-length": String(body.length) };
  const request = requestOf(url, { agent: false, headers: { ...type, ...headers } });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const received = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
  return new Response(await buffer(response), { status: response.statusCode ?? 0, headers: received });
}

/** A download whose body nobody reads yet. */
export async function openDownload(
  url: string,
  headers: Readonly<Record<string, string>>,
  path = "/model/partial",
): Promise<IncomingMessage> {
  const request = get(`${url}${path}`, {
    agent: false,
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
  });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

/** Reads the rest of a body. @returns its bytes, or null when it was cut. */
export async function bytesOfBody(response: IncomingMessage): Promise<number | null> {
  let bytes = 0;
  try {
    for await (const chunk of response) {
      bytes += chunk.length;
    }
  } catch {
    return null;
  }
  return bytes;
}
