import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { AppError } from "@assay/core/app-error";
import { withDeadline } from "@assay/runtime/time/deadline";

export interface LocalProcessOptions {
  readonly name: string;
  /** Absolute path of the module to run. */
  readonly module: string;
  readonly args: readonly string[];
  /** The whole environment of the process, beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Every line of its output goes here. */
  readonly logFile: string;
  /** Hears each line of its output. */
  readonly onLine?: (line: string) => void;
}

/** How a process of the local subnet can fail us. */
export const LocalProcessErrorCode = {
  /** It ended although nobody asked it to; its log file says why. */
  EndedEarly: "LOCALNET_PROCESS_ENDED",
} as const;

/** Two dozen processes load the same modules: compiled code is kept, which makes each start about a quarter cheaper. */
const COMPILE_CACHE = fileURLToPath(new URL("../../../../node_modules/.cache/compile", import.meta.url));
const END_WITH_PARENT = new URL("end-with-parent.ts", import.meta.url);
const STOP_DEADLINE_MILLIS = 25_000;
const LAST_LINES = 15;

/** One process of the local subnet with its log file. It ends with us, even when we are killed. */
export class LocalProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number>;
  readonly #lastLines: string[] = [];
  #stopping = false;

  constructor(options: LocalProcessOptions) {
    this.name = options.name;
    const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", `--import=${END_WITH_PARENT.href}`];
    const { PATH = "", HOME = "", NODE_COMPILE_CACHE = COMPILE_CACHE } = process.env;
    this.#child = spawn(process.execPath, [...flags, options.module, ...options.args], {
      stdio: ["pipe", "pipe", "pipe", "ipc"],
      env: { PATH, HOME, NODE_COMPILE_CACHE, ...options.env },
    });
    const log = createWriteStream(options.logFile, { flags: "a" });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        log.write(`${line}\n`);
        this.#remember(line);
        options.onLine?.(line);
      });
    }
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Exit code once it has ended, 128 when a signal ended it. */
  get exited(): Promise<number> {
    return this.#exited;
  }

  /** Rejects when the process ends before `ready` resolves or the deadline passes. */
  async waitFor<T>(ready: Promise<T>, deadlineMillis: number, what: string): Promise<T> {
    return await withDeadline(Promise.race([ready, this.#endedEarly()]), deadlineMillis, `${this.name}: ${what}`);
  }

  /** Asks it to stop, and ends it when it has not by its deadline; @returns its exit code, which is then 128. */
  async stop(): Promise<number> {
    this.#stopping = true;
    this.#child.kill("SIGTERM");
    const tooLate = setTimeout(() => this.#child.kill("SIGKILL"), STOP_DEADLINE_MILLIS);
    const code = await this.#exited;
    clearTimeout(tooLate);
    return code;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#stopping = true;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Rejects if the process ends without being asked to. */
  async #endedEarly(): Promise<never> {
    const code = await this.#exited;
    if (this.#stopping) return await new Promise<never>(() => undefined);
    throw new AppError(
      LocalProcessErrorCode.EndedEarly,
      `${this.name} ended with ${code}:\n${this.#lastLines.join("\n")}`,
    );
  }

  #remember(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
  }
}
