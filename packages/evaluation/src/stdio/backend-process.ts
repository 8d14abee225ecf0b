import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { AppError } from "@assay/core/app-error";
import { ChildError, ChildErrorCode } from "@assay/runtime/child/child-error";
import { childEnvironment } from "@assay/runtime/child/environment";
import { watchMemory } from "@assay/runtime/child/memory-watch";
import type { Logger } from "@assay/runtime/logging/logger";
import { abortable } from "@assay/runtime/time/abortable";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { LineSplitter } from "./line-splitter.ts";
import { type Hello, helloSchema, type LossesLine, MAX_LINE_BYTES, type Reply, replySchema } from "./protocol.ts";

export interface BackendProcessOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Time to the program's first line; the model is not loaded before the first request. */
  readonly startDeadlineMillis: number;
  /** Resident memory of the program (not of its children) at which it is killed; 0 for no limit. */
  readonly memoryLimitMiB: number;
}

interface Pending {
  readonly id: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

const STOP_GRACE_MS = 2_000;
const CLOSE_GRACE_MS = 1_000;
const MAX_LOGGED_BYTES = 8 * 1024;
const SHOWN_CHARACTERS = 200;

/**
 * One life of a backend: spawned in a process group of its own, so that what it starts ends with it.
 *
 * Whatever is not the protocol costs it its life, as do a deadline and too much memory. It is not used again then.
 */
export class BackendProcess {
  readonly #logger: Logger;
  readonly #options: BackendProcessOptions;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #hello = Promise.withResolvers<Hello>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #startTimer: NodeJS.Timeout;
  #greeted = false;
  #failure: AppError | null = null;
  #pending: Pending | null = null;
  #lastOutput: string | null = null;
  #nextId = 1;

  private constructor(logger: Logger, options: BackendProcessOptions) {
    this.#logger = logger;
    this.#options = options;
    const [program = "", ...args] = options.command;
    this.#child = spawn(program, args, {
      detached: true,
      // As in src/onnx/exact-float32.ts: NVIDIA's libraries must not round factors.
      env: childEnvironment(process.env, { NVIDIA_TF32_OVERRIDE: "0" }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#startTimer = setTimeout(
      () => this.#fail(this.#notStarted("it said nothing in time")),
      options.startDeadlineMillis,
    );
  }

  /** Starts the program; {@link hello} tells whether that worked. */
  static spawn({ logger }: { readonly logger: Logger }, options: BackendProcessOptions): BackendProcess {
    const backend = new BackendProcess(logger.child({ module: "backend" }), options);
    backend.#listen();
    return backend;
  }

  /** Process id, which is also its group's; null if there is no such program. */
  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** Whether it can take another request. */
  get usable(): boolean {
    return this.#failure === null;
  }

  /** @throws ChildError `CHILD_START_FAILED`; EvaluationError `EVALUATION_BACKEND_PROTOCOL`; the signal's reason. */
  async hello(signal: AbortSignal): Promise<Hello> {
    return await abortable(this.#hello.promise, signal);
  }

  /**
   * Sends one request; not before the one before has its reply (a caller's bug).
   *
   * @throws ChildError `CHILD_EXITED`, `CHILD_MEMORY`; EvaluationError `EVALUATION_BACKEND_PROTOCOL`; the signal's
   *   reason when aborted, which kills the program.
   */
  async request(request: Omit<LossesLine, "id">, signal: AbortSignal): Promise<Reply> {
    signal.throwIfAborted();
    if (this.#failure !== null) throw this.#failure;
    if (this.#pending !== null) throw new Error("The backend has not answered the request before");
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#pending = { id, resolve, reject };
    const abort = () => {
      reject(signal.reason);
      this.#fail(this.#error(ChildErrorCode.Exited, "The request was given up", {}));
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      this.#child.stdin.write(`${JSON.stringify({ id, ...request } satisfies LossesLine)}\n`);
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#pending = null;
    }
  }

  /** Ends the program's input, which asks it to end, and kills it if it does not. */
  async stop(): Promise<void> {
    this.#failure ??= this.#error(ChildErrorCode.Stopped, "The backend was stopped", {});
    clearTimeout(this.#startTimer);
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#kill(), STOP_GRACE_MS);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  /** Ends the program at once; pending work fails with this error. */
  #fail(error: AppError): void {
    this.#failure ??= error;
    clearTimeout(this.#startTimer);
    this.#hello.reject(error);
    this.#pending?.reject(error);
    this.#kill();
  }

  #listen(): void {
    const child = this.#child;
    this.#hello.promise.catch(() => undefined);
    const output = new LineSplitter({
      maxBytes: MAX_LINE_BYTES,
      onLine: (line) => this.#onLine(line),
      onTooLong: (beginning) => this.#fail(protocolError("A line is too long", beginning)),
    });
    const log = (line: string) => {
      this.#lastOutput = line.slice(0, SHOWN_CHARACTERS);
      this.#logger.debug("Backend output", { line });
    };
    const errors = new LineSplitter({ maxBytes: MAX_LOGGED_BYTES, onLine: log, onTooLong: log });
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    // A program that has ended no longer reads; its end is reported by itself.
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => this.#onSpawnError(error));
    child.once("exit", () => {
      this.#kill();
      setTimeout(() => child.stdout.destroy(), CLOSE_GRACE_MS).unref();
    });
    child.once("close", (exitCode, signal) => this.#onClose(exitCode, signal));
    this.#limitMemory();
  }

  #limitMemory(): void {
    const { memoryLimitMiB: limitMiB } = this.#options;
    if (this.pid === null || limitMiB === 0) return;
    const onExceeded = (residentMiB: number) => {
      const fields = { residentMiB, limitMiB };
      this.#fail(this.#error(ChildErrorCode.Memory, `More than ${limitMiB} MiB of memory in use`, fields));
    };
    const stop = watchMemory({ pid: this.pid, limitMiB, onExceeded });
    void this.#ended.promise.then(stop);
  }

  #onLine(line: string): void {
    if (this.#failure !== null) return;
    const value = parseJson(line);
    if (!this.#greeted) this.#onHello(line, value);
    else this.#onReply(line, value);
  }

  #onHello(line: string, value: unknown): void {
    const hello = helloSchema.safeParse(value);
    if (!hello.success) {
      this.#fail(protocolError("The first line does not say the protocol", line));
      return;
    }
    this.#greeted = true;
    clearTimeout(this.#startTimer);
    this.#hello.resolve(hello.data);
  }

  #onReply(line: string, value: unknown): void {
    const reply = replySchema.safeParse(value);
    if (!reply.success) this.#fail(protocolError("A line is no reply", line));
    else if (reply.data.id !== this.#pending?.id) this.#fail(protocolError("A reply belongs to no request", line));
    else this.#pending.resolve(reply.data);
  }

  #onSpawnError(error: Error): void {
    this.#fail(this.#notStarted(error.message));
    if (this.pid === null) this.#ended.resolve();
  }

  #onClose(exitCode: number | null, signal: NodeJS.Signals | null): void {
    const fields = { exitCode, signal, lastOutput: this.#lastOutput };
    if (this.#failure === null) this.#logger.warn("Backend ended", { pid: this.pid, exit_code: exitCode, signal });
    this.#fail(
      this.#greeted
        ? this.#error(ChildErrorCode.Exited, "The backend ended", fields)
        : this.#error(ChildErrorCode.StartFailed, "The backend ended before it was ready", fields),
    );
    this.#ended.resolve();
  }

  #kill(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // The whole group has ended.
    }
  }

  #notStarted(why: string): ChildError {
    return this.#error(ChildErrorCode.StartFailed, "The backend did not start", { why, lastOutput: this.#lastOutput });
  }

  #error(code: ChildErrorCode, message: string, fields: AppError["fields"]): ChildError {
    const { command } = this.#options;
    return new ChildError(code, message, { retryable: true, fields: { child: command[0] ?? "", ...fields } });
  }
}

/** @param line cut before it is shown: it is not ours. */
function protocolError(message: string, line: string): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.BackendProtocol, message, {
    retryable: true,
    fields: { line: line.slice(0, SHOWN_CHARACTERS) },
  });
}

/** The value, or undefined (which no schema accepts) for text that is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
