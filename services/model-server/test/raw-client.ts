import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { TOKEN } from "./server-fixture.ts";

/** A connection of its own on which a test says exactly what it wants. */
export async function connectTo(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Sends these bytes and returns all that comes back until the server closes. */
export async function exchange(url: string, bytes: string): Promise<{ status: string; error: unknown; text: string }> {
  const socket = await connectTo(url);
  socket.write(bytes);
  const answer = await text(socket);
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: head.split(" ")[1] ?? "", error: body === "" ? null : JSON.parse(body).error, text: answer };
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
