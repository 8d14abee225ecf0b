import { connect } from "node:net";
import { serveRequests } from "@assay/runtime/child/serve-requests";

/** Downloads to make over and over until the time is over, in a process of their own. */
export interface LoadRequest {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clients: number;
  readonly seconds: number;
}

export interface LoadReply {
  /** Of bodies, whole or not. */
  readonly bytes: number;
  readonly seconds: number;
}

serveRequests<LoadRequest, LoadReply>(async (request) => {
  const started = performance.now();
  const endsAt = started + request.seconds * 1000;
  const bytes = await Promise.all(Array.from({ length: request.clients }, () => download(request, endsAt)));
  return { bytes: bytes.reduce((sum, each) => sum + each, 0), seconds: (performance.now() - started) / 1000 };
});

const END_OF_HEAD = "\r\n\r\n";
/** Large enough that the client is not what is measured. */
const READ_BYTES = 1 << 20;

/**
 * Downloads as cheap as a client can be: into the same memory again and again.
 *
 * @returns bytes of bodies. Rejects for anything but status 200 with a length.
 */
function download({ port, path, headers }: LoadRequest, endsAt: number): Promise<number> {
  const lines = Object.entries({ Host: "127.0.0.1", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  const memory = Buffer.allocUnsafeSlow(READ_BYTES);
  return new Promise((resolve, reject) => {
    let total = 0;
    let missing = 0;
    const take = (length: number): boolean => {
      let body = length;
      if (missing === 0) {
        const answer = memory.toString("latin1", 0, Math.min(length, 16_384));
        const begin = answer.indexOf(END_OF_HEAD) + END_OF_HEAD.length;
        missing = Number(/^content-length: (\d+)\r$/im.exec(answer)?.[1]);
        if (!answer.startsWith("HTTP/1.1 200 ") || !(missing > 0)) {
          reject(new Error(`The server answered ${answer.slice(0, 200)}`));
          return false;
        }
        body -= begin;
      }
      total += body;
      missing -= body;
      if (missing === 0) socket.write(head);
      return true;
    };
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer: memory, callback: take } });
    const ending = setTimeout(() => {
      socket.destroy();
      resolve(total);
    }, endsAt - performance.now());
    socket.once("close", () => clearTimeout(ending));
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("The server closed the connection")));
    socket.write(head);
  });
}
