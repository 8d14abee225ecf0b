import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";

/** What a client does wrong with one request. */
export type ClientFault =
  /** Its connection ends after so many bytes of the request, head included. */
  | { readonly kind: "cut"; readonly at: number; readonly how: "end" | "reset" }
  /** It says nothing more after so many bytes, until the test ends it. */
  | { readonly kind: "stall"; readonly at: number }
  /** `Content-Length` is this much more or less than what comes; then it ends. */
  | { readonly kind: "length"; readonly more: number }
  /** One bit of the body is wrong. */
  | { readonly kind: "flipped_bit"; readonly at: number }
  /** A chunk's length is no number. */
  | { readonly kind: "bad_chunk"; readonly at: number };

/** Faults of one client before it does it right. */
export function clientFaults(bodyBytes: number): fc.Arbitrary<readonly ClientFault[]> {
  const at = fc.nat({ max: bodyBytes - 1 });
  const how = fc.constantFrom("end" as const, "reset" as const);
  return fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("cut" as const), at, how }, { noNullPrototype: true }) },
      { weight: 1, arbitrary: at.map((byte): ClientFault => ({ kind: "stall", at: byte })) },
      {
        weight: 1,
        arbitrary: fc.integer({ min: -99, max: 99 }).map((more): ClientFault => ({ kind: "length", more })),
      },
      { weight: 1, arbitrary: at.map((byte): ClientFault => ({ kind: "flipped_bit", at: byte })) },
      { weight: 1, arbitrary: at.map((byte): ClientFault => ({ kind: "bad_chunk", at: byte })) },
    ),
    { minLength: 1, maxLength: 3 },
  );
}

export interface RawRequest {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Sends a request as the fault says, and returns when the client has done all that it does. */
export async function sendFaulty(url: string, request: RawRequest, fault: ClientFault): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined).resume();
  await once(socket, "connect");
  const bytes = encode(request, fault);
  const isPart = fault.kind === "cut" || fault.kind === "stall";
  await new Promise<void>((resolve) => {
    socket.once("close", resolve);
    socket.write(isPart ? bytes.subarray(0, fault.at) : bytes, () => resolve());
  });
  if (fault.kind === "cut" && fault.how === "reset") {
    socket.resetAndDestroy();
  } else if (fault.kind !== "stall") {
    socket.end();
  }
  return socket;
}

function encode({ line, headers, body }: RawRequest, fault: ClientFault): Buffer {
  const isChunked = fault.kind === "bad_chunk";
  const length = body.length + (fault.kind === "length" ? fault.more : 0);
  const framing = isChunked ? { "transfer-encoding": "chunked" } : { "content-length": String(Math.max(0, length)) };
  const lines = Object.entries({ host: "test", ...headers, ...framing }).map(([name, value]) => `${name}: ${value}`);
  const head = Buffer.from(`${line}\r\n${lines.join("\r\n")}\r\n\r\n`);
  if (isChunked) {
    const size = Buffer.from(`${fault.at.toString(16)}\r\n`);
    return Buffer.concat([head, size, body.subarray(0, fault.at), Buffer.from("\r\nno number\r\n"), body]);
  }
  const sent = fault.kind === "flipped_bit" ? Uint8Array.from(body).with(fault.at, (body[fault.at] ?? 0) ^ 1) : body;
  return Buffer.concat([head, sent]);
}
