import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the ports that systems give to outgoing connections and to whoever listens on port 0 (Linux: from 32768 on). */
const FIRST = 20_000;
const END = 32_000;
const ATTEMPTS = 50;

/**
 * A port of the loopback interface that nobody listens on now, and that nobody is given by chance before it is used.
 *
 * @throws Error if many in a row are taken.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port found between ${FIRST} and ${END}`);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
