import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Wiretap extends AsyncDisposable {
  readonly url: string;
  /** Everything that went to the server, and everything that came back, of all connections. */
  readonly toServer: Buffer[];
  readonly toClient: Buffer[];
}

/**
 * Somebody on the way between a client and a server, who sees all bytes and may change them.
 *
 * @param alter gets each chunk and how many bytes went the same way before it.
 */
export async function wiretap(
  url: string,
  alter: (direction: "toServer" | "toClient", chunk: Buffer, before: number) => Buffer = (_direction, chunk) => chunk,
): Promise<Wiretap> {
  const { hostname, port } = new URL(url);
  const seen = { toServer: [] as Buffer[], toClient: [] as Buffer[] };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const pass = (direction: "toServer" | "toClient", from: Socket, to: Socket) => {
      let before = 0;
      sockets.add(from);
      from.on("data", (chunk) => {
        const altered = alter(direction, Buffer.from(chunk), before);
        before += chunk.length;
        seen[direction].push(altered);
        to.write(altered);
      });
      from.on("end", () => to.end()).on("error", () => to.destroy());
    };
    pass("toServer", client, upstream);
    pass("toClient", upstream, client);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    ...seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
