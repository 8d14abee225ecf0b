import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import type { ChainView } from "@assay/core/chain-view";
import { submissionView } from "./chain-views.ts";
import { TOKEN } from "./server-fixture.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** Runs a command line; the server's own is appended to it. */
export type Launcher = readonly string[];

/** The model server as the process that operators run, during Submission, on a checkpoint directory that outlives it. */
export class ServerProcess implements AsyncDisposable {
  readonly layout: CheckpointLayout;
  readonly lines: string[] = [];
  /** What the evaluator would say of the chain. */
  view: ChainView = submissionView();
  url = "not listening";
  #child: ChildProcess | null = null;

  private constructor(root: string) {
    this.layout = new CheckpointLayout(root);
  }

  /** A checkpoint directory without a process yet. */
  static async prepare(): Promise<ServerProcess> {
    const server = new ServerProcess(await mkdtemp(join(tmpdir(), "assay-server-process-")));
    await Promise.all([mkdir(server.layout.state), mkdir(server.layout.inbox)]);
    return server;
  }

  /** @param launcher what starts the server in its place, for example a shell that sets limits. */
  async start(args: readonly string[] = [], launcher: Launcher = []): Promise<this> {
    await writeJsonAtomic(this.layout.chainView, { ...this.view, updatedAt: Date.now() });
    const { root } = this.layout;
    const ports = ["--server_host=127.0.0.1", "--server_port=0", "--admin.port=0", "--log.directory="];
    const own = [process.execPath, "--conditions=source", MAIN, `--checkpoint_cache_dir=${root}`, ...ports, ...args];
    const [command = "", ...rest] = [...launcher, ...own];
    const { PATH } = process.env;
    const env = { PATH, BZ_AUTH_TOKEN: TOKEN, REDIS_URL: `unix://${root}/no-redis.sock` };
    const child = spawn(command, rest, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    this.url = `http://127.0.0.1:${await this.#portOf(child)}`;
    return this;
  }

  /** No signal handler runs, no buffer is flushed. */
  async kill(): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await exited;
    }
  }

  /** The inbox as the process sees it, which may have mounted another volume there. */
  get inbox(): string {
    return `/proc/${this.#child?.pid}/root${this.layout.inbox}`;
  }

  /** Every file under the inbox, relative to it. */
  async inboxFiles(inbox: string = this.layout.inbox): Promise<readonly string[]> {
    const entries = await readdir(inbox, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(inbox.length + 1))
      .sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.layout.root, { recursive: true, force: true });
  }

  async #portOf({ stdout }: ChildProcess): Promise<string> {
    if (stdout === null) {
      throw new Error("The server's output is piped");
    }
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => {
      this.lines.push(line);
      const port = /Model server ready on port (\d+)/.exec(line)?.[1];
      if (port !== undefined) {
        resolve(port);
      }
    });
    lines.once("close", () => reject(new Error(`The server ended:\n${this.lines.join("\n")}`)));
    return await promise;
  }
}
