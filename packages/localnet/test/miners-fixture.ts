import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { loadHotkey } from "@assay/chain/hotkey";
import { type ChunkedFile, type ChunkList, merkleRoot } from "@assay/core/chunk-list";
import { phaseAt } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import { createRandom } from "@assay/evaluation/model/random";
import { groupTensors } from "@assay/evaluation/model/tensor-names";
import { stringify } from "yaml";
import { type DevChain, startDevChain } from "../src/chain/dev-chain.ts";
import type { MinerSettings } from "../src/miners/miner-config.ts";
import { randomModel, TINY_CONFIG } from "../src/training/base-model.ts";
import { writeModelFolder, writeTensors } from "../src/training/model-folder.ts";
import { only } from "../src/training/tensors.ts";

const NETUID = 2;
const MAIN = fileURLToPath(new URL("../src/miners/main.ts", import.meta.url));

const GROUPS = 4;

/** Cycles of 60 blocks; long enough at 100 ms for two cores. */
export const NETWORK: Network = {
  name: "miners-test",
  blockMillis: 100,
  schedule: {
    distribute: 12,
    train: 20,
    minerCommit1: 6,
    minerCommit2: 6,
    submission: 8,
    validate: 8,
    merge: 0,
    validatorCommit1: 0,
    validatorCommit2: 0,
  },
  expertGroups: GROUPS,
  evaluation: { sequences: 32, sequenceLength: 64, policy: "relative_reduction" },
  merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
};

/** One request to `POST /submit`. */
export interface ReceivedSubmission {
  readonly block: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly status: number;
}

/** A development chain and a model server that does as it is told, for miners as processes. */
export class MinersFixture {
  readonly chain: DevChain;
  readonly directory: string;
  readonly submissions: ReceivedSubmission[] = [];
  /** Requests that are answered with 503 before the first that is served. */
  refusals = 0;
  private readonly server: Server;
  private readonly chunks = new Map<string, Buffer>();
  private list: ChunkList | null = null;
  private readonly miners: RunningMiner[] = [];

  private constructor(chain: DevChain, directory: string) {
    this.chain = chain;
    this.directory = directory;
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async start(uris: readonly string[]): Promise<MinersFixture> {
    const directory = await mkdtemp(join(tmpdir(), "assay-miners-"));
    const signers = await Promise.all(uris.map((uri) => loadHotkey({ uri })));
    const chain = await startDevChain({
      netuid: NETUID,
      neurons: signers.map(({ address }) => ({ hotkey: address })),
      hyperparameters: { maxSpace: 1_000_000 },
      blockMillis: NETWORK.blockMillis,
    });
    const fixture = new MinersFixture(chain, directory);
    await fixture.prepare();
    return fixture;
  }

  async stop(): Promise<void> {
    await Promise.all(this.miners.map((miner) => miner.kill()));
    this.server.closeAllConnections();
    this.server.close();
    await this.chain.close();
    await rm(this.directory, { recursive: true });
  }

  /** Starts a miner that pushes with strength 2, unless told otherwise. */
  async startMiner(settings: Pick<MinerSettings, "uri" | "kind" | "group"> & Partial<MinerSettings>) {
    const name = settings.uri.replaceAll("/", "");
    const config: MinerSettings = {
      strength: 2,
      pull: false,
      netuid: NETUID,
      chainEndpoint: this.chain.url,
      modelServerUrl: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`,
      authToken: "token",
      workDirectory: join(this.directory, name),
      networkFile: join(this.directory, "network.yaml"),
      seed: 1,
      ...settings,
    };
    const file = join(this.directory, `${name}.json`);
    await writeFile(file, JSON.stringify(config));
    const miner = new RunningMiner(file);
    this.miners.push(miner);
    return miner;
  }

  private async prepare(): Promise<void> {
    const model = randomModel(TINY_CONFIG, createRandom(1));
    await writeModelFolder(join(this.directory, "model"), TINY_CONFIG, model);
    for (const group of Array(GROUPS).keys()) {
      const names = new Set(groupTensors(TINY_CONFIG, GROUPS, group).map(({ name }) => name));
      await writeTensors(join(this.directory, `group-${group}.safetensors`), only(model, names));
    }
    this.list = await this.listChunks();
    await writeFile(join(this.directory, "network.yaml"), stringify(NETWORK));
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    if (request.headers.authorization !== "Bearer token") return void response.writeHead(401).end();
    if (this.refusals > 0) {
      this.refusals -= 1;
      return void response.writeHead(503).end('{"error":"model_unavailable"}');
    }
    const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
    if (pathname === "/submit") return this.take(request, body, response);
    if (pathname === "/model/manifest") return void response.end(JSON.stringify(this.list));
    const chunk = this.chunks.get(pathname.slice("/model/chunks/".length));
    if (chunk !== undefined) return void response.end(chunk);
    if (searchParams.get("part") === "config") return await this.sendConfig(response);
    response.writeHead(404).end();
  }

  private async listChunks(): Promise<ChunkList> {
    const groups = [...Array(GROUPS).keys()].map((group) => ({ name: `group-${group}.safetensors`, group }));
    const files: ChunkedFile[] = [];
    for (const { name, group } of [...groups, { name: "model.safetensors", group: null }]) {
      const path = group === null ? join("model", name) : name;
      const content = await readFile(join(this.directory, path));
      const chunks: string[] = [];
      for (let start = 0; start < content.length; start += CHUNK_BYTES) {
        const chunk = content.subarray(start, start + CHUNK_BYTES);
        chunks.push(sha256(chunk));
        this.chunks.set(sha256(chunk), chunk);
      }
      files.push({ name, expert_group: group, bytes: content.length, sha256: sha256(content), chunks });
    }
    const model = { model_version: "step_4", model_digest: "ab".repeat(32) };
    return { schema: 1, ...model, chunk_bytes: CHUNK_BYTES, merkle_root: merkleRoot(files), files };
  }

  private take(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const block = this.chain.head.number;
    const isOpen = phaseAt(block, NETWORK.schedule).phase === "submission";
    const status = isOpen ? 202 : 409;
    this.submissions.push({ block, headers: request.headers, body, status });
    response.writeHead(status).end(isOpen ? "{}" : '{"error":"wrong_phase"}');
  }

  private async sendConfig(response: ServerResponse): Promise<void> {
    const bytes = await readFile(join(this.directory, "model", "config.json"));
    response.setHeader("X-Model-Meta", JSON.stringify({ model_version: "step_4" }));
    response.end(bytes);
  }
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Small, so that files have several. */
const CHUNK_BYTES = 50_000;

export type MinerLine = Readonly<Record<string, unknown>> & { readonly event: string };

/** A miner's process and what it has told so far. */
export class RunningMiner {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly lines: MinerLine[] = [];
  private waiting: (() => void)[] = [];

  constructor(configFile: string) {
    this.child = spawn(process.execPath, ["--conditions=source", MAIN, "--config", configFile], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    const { stdout } = this.child;
    if (stdout === null) throw new Error("The miner has no output");
    const output = createInterface({ input: stdout });
    // Not the child's "close": it does not come once the channel was disconnected from here.
    this.exited = Promise.all([once(this.child, "exit"), once(output, "close")]).then(
      ([[code]]) => code as number | null,
    );
    output.on("line", (line) => {
      this.lines.push(JSON.parse(line));
      for (const wake of this.waiting.splice(0)) wake();
    });
    void this.exited.then(() => {
      for (const wake of this.waiting.splice(0)) wake();
    });
  }

  /** The first line of this event, as soon as it was told; the test's own deadline is the deadline. */
  async told(event: string): Promise<MinerLine> {
    for (;;) {
      const line = this.lines.find((candidate) => candidate.event === event);
      if (line !== undefined) return line;
      if (this.child.exitCode !== null) throw new Error(`Ended without ${event}: ${JSON.stringify(this.lines)}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill("SIGKILL");
    await this.exited;
  }
}
