import { once } from "node:events";
import { connect } from "node:net";
import { serveRequests } from "@assay/runtime/child/serve-requests";
import { submissionPieces } from "./submission.ts";

/** Submissions to push at the same time, from a process of its own. */
export interface UploadRequest {
  readonly port: number;
  /** Of the group's values. */
  readonly bytes: number;
  /** Headers of each push. */
  readonly pushes: readonly Readonly<Record<string, string>>[];
}

export interface UploadReply {
  readonly seconds: number;
}

serveRequests<UploadRequest, UploadReply>(async (request) => {
  const started = performance.now();
  await Promise.all(request.pushes.map((headers) => push(request, headers)));
  return { seconds: (performance.now() - started) / 1000 };
});

/** Pushes one submission from memory. Rejects unless it is accepted. */
async function push({ port, bytes }: UploadRequest, headers: Readonly<Record<string, string>>): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    answer += text;
  });
  const closed = once(socket, "close");
  const lines = Object.entries({ Host: "127.0.0.1", Connection: "close", ...headers });
  socket.write(`POST /submit HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
  for (const piece of submissionPieces(bytes)) {
    if (answer !== "" || socket.destroyed) break;
    if (!socket.write(piece)) await Promise.race([once(socket, "drain"), closed]);
  }
  await closed;
  if (!answer.startsWith("HTTP/1.1 202 ")) throw new Error(`The server answered ${answer.slice(0, 400)}`);
}
