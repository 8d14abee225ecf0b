import { type ChildProcess as Fork, fork } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { AppError } from "@assay/core/app-error";
import type { Startable } from "../lifecycle/startable.ts";
import type { Logger } from "../logging/logger.ts";
import { abortable } from "../time/abortable.ts";
import { ChildError, ChildErrorCode } from "./child-error.ts";
import { childEnvironment } from "./environment.ts";
import { watchMemory } from "./memory-watch.ts";
import type { ChildMessage, ParentMessage, SentError } from "./messages.ts";

export interface ChildOptions {
  /** Shown in logs and errors. */
  readonly name: string;
  /** The child's entry module, which calls `serveRequests`. See `moduleUrl`. */
  readonly module: URL;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  /** Variables beyond the inherited allow-list. Never secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Time to the child's first word; 60 s unless said otherwise. */
  readonly startDeadlineMs?: number;
  /** Time a cancelled request has to end by itself before the child is killed; 2 s unless said otherwise. */
  readonly cancelGraceMs?: number;
  /** Resident memory at which the child is killed; 0 or nothing for no limit. */
  readonly memoryLimitMiB?: number;
}

export interface RequestOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

interface Pending<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

interface Living<Reply> {
  readonly fork: Fork;
  readonly pending: Map<number, Pending<Reply>>;
  /** Cancelled requests whose end the child has not confirmed, with the timer that will kill it. */
  readonly cancelled: Map<number, NodeJS.Timeout>;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
}

const DEFAULT_START_DEADLINE_MS = 60_000;
const DEFAULT_CANCEL_GRACE_MS = 2_000;
const STOP_GRACE_MS = 2_000;

/**
 * One child process that answers requests. For native code, which only a kill stops.
 *
 * A request past its deadline kills the child, and every request pending in it fails; so do a crash and too much
 * memory. The next request starts a fresh child.
 */
export class ChildProcess<Request, Reply> implements Startable {
  readonly #logger: Logger;
  readonly #options: ChildOptions;
  #living: Living<Reply> | null = null;
  #stopped = false;
  #nextId = 1;

  constructor({ logger }: { readonly logger: Logger }, options: ChildOptions) {
    this.#logger = logger.child({ module: "child", child: options.name });
    this.#options = options;
  }

  /** Process id of the running child; null while there is none. */
  get pid(): number | null {
    return this.#living?.fork.pid ?? null;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#stopped = false;
    await abortable(this.#ensureLiving().ready, signal);
  }

  /**
   * Sends one request, starting a child if none lives.
   *
   * @throws ChildError `CHILD_DEADLINE`, `CHILD_MEMORY`, `CHILD_EXITED`, `CHILD_START_FAILED`, `CHILD_HANDLER_FAILED`,
   * `CHILD_STOPPED`; an AppError thrown in the child with its own code; the signal's reason when aborted.
   */
  async request(request: Request, { deadlineMs, signal }: RequestOptions): Promise<Reply> {
    signal.throwIfAborted();
    if (this.#stopped) throw this.#error(ChildErrorCode.Stopped, "The child process was stopped", false);
    const living = this.#ensureLiving();
    await abortable(living.ready, signal);
    signal.throwIfAborted();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    living.pending.set(id, { resolve, reject });
    const timer = setTimeout(() => this.#onDeadline(living, id, deadlineMs), deadlineMs);
    const abort = () => this.#cancel(living, id, signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      this.#send(living, { kind: "request", id, request });
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      living.pending.delete(id);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const living = this.#living;
    if (living === null) return;
    if (living.fork.connected) living.fork.disconnect();
    const timer = setTimeout(() => living.fork.kill("SIGKILL"), STOP_GRACE_MS);
    await living.exited;
    clearTimeout(timer);
  }

  #ensureLiving(): Living<Reply> {
    this.#living ??= this.#spawn();
    return this.#living;
  }

  #spawn(): Living<Reply> {
    const { module, args = [], execArgv = [], env } = this.#options;
    const conditions = module.pathname.endsWith(".ts") ? ["--conditions=source"] : [];
    const child = fork(module, [...args], {
      execArgv: [...conditions, ...execArgv],
      env: childEnvironment(process.env, env),
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#logLines(child.stdout, "stdout");
    this.#logLines(child.stderr, "stderr");
    const started = Promise.withResolvers<void>();
    const exited = Promise.withResolvers<void>();
    const living: Living<Reply> = {
      fork: child,
      pending: new Map(),
      cancelled: new Map(),
      ready: started.promise,
      exited: exited.promise,
    };
    const deadlineMs = this.#options.startDeadlineMs ?? DEFAULT_START_DEADLINE_MS;
    const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
    living.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
    this.#limitMemory(living);
    child.on("message", (message) => this.#onMessage(living, message as ChildMessage<Reply>, started.resolve));
    child.on("error", (error) => this.#logger.error("Child process error", { pid: child.pid }, error));
    const onEnd = (exitCode: number | null, signal: NodeJS.Signals | null) => {
      started.reject(
        this.#error(ChildErrorCode.StartFailed, "The child process did not start", true, { exitCode, signal }),
      );
      this.#onExit(living, exitCode, signal);
      exited.resolve();
    };
    child.once("exit", onEnd);
    child.once("error", () => child.pid === undefined && onEnd(null, null));
    return living;
  }

  #onMessage(living: Living<Reply>, message: ChildMessage<Reply>, onReady: () => void): void {
    if (message.kind === "ready") {
      this.#logger.debug("Child process ready", { pid: living.fork.pid });
      onReady();
      return;
    }
    clearTimeout(living.cancelled.get(message.id));
    living.cancelled.delete(message.id);
    if (message.kind === "reply") {
      living.pending.get(message.id)?.resolve(message.reply);
    } else {
      living.pending.get(message.id)?.reject(this.#toError(message.failure));
    }
  }

  #onExit(living: Living<Reply>, exitCode: number | null, signal: NodeJS.Signals | null): void {
    if (this.#living === living) this.#living = null;
    if (!this.#stopped) this.#logger.warn("Child process ended", { pid: living.fork.pid, exit_code: exitCode, signal });
    for (const { reject } of living.pending.values()) {
      reject(
        this.#error(ChildErrorCode.Exited, "The child process ended during the request", true, { exitCode, signal }),
      );
    }
    for (const timer of living.cancelled.values()) clearTimeout(timer);
  }

  #limitMemory(living: Living<Reply>): void {
    const { pid } = living.fork;
    const { memoryLimitMiB: limitMiB = 0 } = this.#options;
    if (pid === undefined || limitMiB === 0) return;
    const stop = watchMemory({ pid, limitMiB, onExceeded: (mib) => this.#onMemory(living, mib, limitMiB) });
    void living.exited.then(stop);
  }

  #onMemory(living: Living<Reply>, residentMiB: number, limitMiB: number): void {
    for (const { reject } of living.pending.values()) {
      reject(
        this.#error(ChildErrorCode.Memory, `More than ${limitMiB} MiB of memory in use`, true, {
          residentMiB,
          limitMiB,
        }),
      );
    }
    this.#kill(living);
  }

  #onDeadline(living: Living<Reply>, id: number, deadlineMs: number): void {
    const error = this.#error(ChildErrorCode.Deadline, `No reply within ${deadlineMs} ms`, true, { deadlineMs });
    living.pending.get(id)?.reject(error);
    this.#kill(living);
  }

  #cancel(living: Living<Reply>, id: number, reason: unknown): void {
    const pending = living.pending.get(id);
    if (pending === undefined) return;
    this.#send(living, { kind: "cancel", id });
    const timer = setTimeout(() => this.#kill(living), this.#options.cancelGraceMs ?? DEFAULT_CANCEL_GRACE_MS);
    living.cancelled.set(id, timer);
    pending.reject(reason);
  }

  /** At once out of use, so that the next request does not meet a dying child. */
  #kill(living: Living<Reply>): void {
    if (this.#living === living) this.#living = null;
    living.fork.kill("SIGKILL");
  }

  #send(living: Living<Reply>, message: ParentMessage<Request>): void {
    if (living.fork.connected) living.fork.send(message);
  }

  #logLines(stream: Readable | null, source: string): void {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => this.#logger.debug("Child output", { source, line }));
  }

  #toError({ code, message, retryable, fields, stack }: SentError): AppError {
    if (code !== null) return new AppError(code, message, { retryable, fields });
    const cause = new Error(message);
    if (stack !== null) cause.stack = stack;
    return new ChildError(ChildErrorCode.HandlerFailed, message, { fields: { child: this.#options.name }, cause });
  }

  #error(code: ChildErrorCode, message: string, retryable: boolean, fields = {}): ChildError {
    return new ChildError(code, message, { retryable, fields: { child: this.#options.name, ...fields } });
  }
}
