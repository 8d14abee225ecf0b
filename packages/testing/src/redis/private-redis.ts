import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

export interface PrivateRedis {
  readonly url: string;
  /** Begins every key of this user, since a Redis from the environment may be shared. */
  readonly prefix: string;
  /** Ends the server if it is ours. */
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 15_000;

/**
 * A Redis for one test file: the one of `REDIS_URL` if set, otherwise an own server on a unix socket that keeps nothing.
 *
 * @throws Error if neither `REDIS_URL` nor `redis-server` exists.
 */
export async function startPrivateRedis(): Promise<PrivateRedis> {
  const prefix = `assay-test-${randomBytes(6).toString("hex")}`;
  const { REDIS_URL: url } = process.env;
  if (url !== undefined && url !== "") return { url, prefix, stop: async () => undefined };
  const server = await startRedisServer();
  return { url: server.url, prefix, stop: () => server.stop() };
}

/** A server that a test may stop and start again on the same socket. */
export interface RedisServer {
  readonly url: string;
  /** Resolves when the server accepts connections. */
  start(): Promise<void>;
  /** Ends the process; the socket's folder stays until `stop`. */
  halt(): Promise<void>;
  stop(): Promise<void>;
}

/** Always an own server, also when `REDIS_URL` is set: for tests that take Redis away. */
export async function startRedisServer(): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "assay-redis-"));
  const socket = join(directory, "redis.sock");
  let running: Server | null = null;
  const start = async () => {
    running = await launch(directory, socket);
  };
  const halt = async () => {
    const server = running;
    running = null;
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.stdin.end();
    await exited;
  };
  const stop = async () => {
    await halt();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `unix://${socket}`, start, halt, stop };
}

type Server = ChildProcessByStdio<Writable, Readable, null>;

/** The shell waits for the end of its input, which also comes when this process is killed: no server stays behind. */
const SERVE_UNTIL_INPUT_ENDS = `
  command -v redis-server >/dev/null || exit 127
  redis-server "$@" </dev/null &
  server=$!
  exec >/dev/null
  cat
  kill "$server"
  wait "$server"
`;

async function launch(directory: string, socket: string): Promise<Server> {
  const options = { port: "0", unixsocket: socket, dir: directory, save: "", appendonly: "no", daemonize: "no" };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn("sh", ["-c", SERVE_UNTIL_INPUT_ENDS, "redis", ...args], { stdio: ["pipe", "pipe", "ignore"] });
  const ready = Promise.withResolvers<void>();
  const timer = setTimeout(() => ready.reject(new Error("redis-server did not start in time")), START_DEADLINE_MS);
  server.on("error", ready.reject);
  server.on("exit", (code) => {
    ready.reject(
      new Error(code === 127 ? "There is no redis-server: install Redis 7" : `redis-server ended (${code})`),
    );
  });
  createInterface({ input: server.stdout })
    .on("line", (line) => {
      if (/ready to accept connections/i.test(line)) ready.resolve();
    })
    .on("close", () => ready.reject(new Error("redis-server ended while starting")));
  try {
    await ready.promise;
    return server;
  } catch (error) {
    server.stdin.end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
