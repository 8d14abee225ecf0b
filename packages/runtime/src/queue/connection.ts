import { Redis, type RedisOptions } from "ioredis";
import type { Startable } from "../lifecycle/startable.ts";
import type { Logger } from "../logging/logger.ts";
import { abortable } from "../time/abortable.ts";
import { withDeadline } from "../time/deadline.ts";
import { QueueError, QueueErrorCode } from "./queue-error.ts";

export interface RedisConnectionOptions {
  /** `redis://…`, `rediss://…` or `unix:///path/to/socket`, with an optional `?db=N`. May hold a password. */
  readonly url: string;
  /** A command of the producer fails after this long; 5 s unless said otherwise. */
  readonly commandDeadlineMs?: number;
  /** How long `start` waits for Redis before it goes on without; 5 s unless said otherwise. */
  readonly startDeadlineMs?: number;
}

const DEFAULT_COMMAND_DEADLINE_MS = 5_000;
const DEFAULT_START_DEADLINE_MS = 5_000;
const MAX_RECONNECT_MS = 2_000;

/**
 * The two ways a process talks to Redis.
 *
 * `producer` fails at once while Redis is away, so a request is answered rather than parked, and says once per change
 * whether Redis is there. `worker` waits for Redis to return; workers and followers open copies of it, so it connects
 * only when it is used itself. All reconnect by themselves.
 */
export class RedisConnections implements Startable {
  readonly producer: Redis;
  readonly worker: Redis;
  readonly #logger: Logger;
  readonly #startDeadlineMs: number;
  #stopping = false;

  constructor({ logger }: { readonly logger: Logger }, options: RedisConnectionOptions) {
    this.#logger = logger.child({ module: "redis" });
    this.#startDeadlineMs = options.startDeadlineMs ?? DEFAULT_START_DEADLINE_MS;
    const address = redisAddress(options.url);
    this.producer = new Redis({
      ...address,
      ...shared,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: options.commandDeadlineMs ?? DEFAULT_COMMAND_DEADLINE_MS,
    });
    this.worker = new Redis({ ...address, ...shared, maxRetriesPerRequest: null });
    logStateChanges(this.producer, this.#logger, () => this.#stopping);
    this.worker.on("error", (error) => this.#logger.debug("Redis connection error", {}, error));
  }

  /** Whether commands are likely to be answered. */
  get ready(): boolean {
    return this.producer.status === "ready";
  }

  /** Starts connecting. Without Redis it goes on after a while: the connections heal themselves. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await abortable(withDeadline(whenReady(this.producer), this.#startDeadlineMs, "Connecting to Redis"), signal);
      await this.#warnOfEviction();
    } catch (error) {
      signal.throwIfAborted();
      this.#logger.warn("Started without Redis", {}, error);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const connection of [this.producer, this.worker]) connection.disconnect();
  }

  /** A Redis that evicts keys loses jobs. */
  async #warnOfEviction(): Promise<void> {
    const memory = await this.producer.info("memory");
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
    if (policy !== undefined && policy !== "noeviction") this.#logger.warn("Redis may evict jobs", { policy });
  }
}

const shared = {
  lazyConnect: true,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), MAX_RECONNECT_MS),
};

export type RedisAddress = Pick<RedisOptions, "host" | "port" | "path" | "tls" | "username" | "password" | "db">;

/**
 * Where a Redis URL points, in ioredis's words.
 *
 * @throws QueueError `QUEUE_URL_INVALID`; the URL is not repeated, since it may hold a password.
 */
export function redisAddress(url: string): RedisAddress {
  const parsed = URL.parse(url);
  if (parsed === null || !["redis:", "rediss:", "unix:"].includes(parsed.protocol)) {
    throw new QueueError(QueueErrorCode.UrlInvalid, "The Redis URL must begin with redis://, rediss:// or unix://");
  }
  const credentials = {
    ...(parsed.username !== "" && { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password !== "" && { password: decodeURIComponent(parsed.password) }),
  };
  const database = parsed.searchParams.get("db") ?? (parsed.protocol === "unix:" ? "" : parsed.pathname.slice(1));
  const db = /^\d+$/.test(database) ? { db: Number(database) } : {};
  if (parsed.protocol === "unix:") return { path: decodeURIComponent(parsed.pathname), ...credentials, ...db };
  return {
    host: parsed.hostname === "" ? "127.0.0.1" : parsed.hostname.replace(/^\[|\]$/g, ""),
    port: parsed.port === "" ? 6379 : Number(parsed.port),
    ...(parsed.protocol === "rediss:" && { tls: {} }),
    ...credentials,
    ...db,
  };
}

/** Whether an error says that Redis is away, not that a command was wrong. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return CONNECTION_CODES.has(code) || CONNECTION_MESSAGES.test(error.message);
}

const CONNECTION_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "NR_CLOSED",
]);
/** At the end Redis's own words for "not now": memory or disk full, starting, a replica. */
const CONNECTION_MESSAGES =
  /Connection is closed|Stream isn't writeable|Command timed out|max retries per request|connect E|closed the connection|^(OOM|MISCONF|LOADING|READONLY|MASTERDOWN|TRYAGAIN)\b/;

async function whenReady(connection: Redis): Promise<void> {
  if (connection.status === "ready") return;
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.once("ready", resolve);
  // A failed first try rejects here; the connection tries again by itself and its error event reports it.
  if (connection.status === "wait") connection.connect().catch(() => undefined);
  await promise;
}

function logStateChanges(connection: Redis, logger: Logger, isStopping: () => boolean): void {
  let connected: boolean | null = null;
  connection.on("ready", () => {
    if (connected !== true) logger.info("Connected to Redis");
    connected = true;
  });
  connection.on("error", (error) => {
    if (connected !== false) logger.warn("Redis is not reachable", {}, error);
    connected = false;
  });
  connection.on("close", () => {
    if (connected === true && !isStopping()) logger.warn("Lost the connection to Redis");
    connected = false;
  });
}
