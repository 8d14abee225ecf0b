import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Stage } from "./stage.ts";

export type TorchWay = "reference" | "in_place" | "in_place_joined";

export interface TorchMeasurement {
  readonly ms: number;
  readonly cpuMs: number;
  readonly loss: number;
}

interface Greeting {
  readonly torch: string;
  readonly sgemmGflops: number;
}

/** The reference BLAS that Debian brings along computes 2.5 to 3.5 GFLOP/s: a comparison with it would mean nothing. */
const LEAST_GFLOPS = 50;
/** Where Debian's packages put theirs, whatever other Python the shell finds first. */
const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
const SCRIPT = fileURLToPath(new URL("./torch_miner.py", import.meta.url));

/** PyTorch in a process of its own, with one thread. */
export class TorchProcess {
  readonly greeting: Greeting;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>, greeting: Greeting) {
    this.#process = process;
    this.#lines = lines;
    this.greeting = greeting;
  }

  /** @returns why there is none, if it cannot be compared with. */
  static async start({ workload, model, tokens }: Stage): Promise<TorchProcess | string> {
    const { batches, batchSize, sequenceLength } = workload;
    const { PATH = "" } = process.env;
    const child = spawn(PYTHON, [SCRIPT, model, tokens, ...[batches, batchSize, sequenceLength].map(String)], {
      // No setting of another BLAS leaks in: each picks its kernels for this processor.
      env: { PATH, OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1" },
    });
    const failure = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code) => resolve(`python3 ended with code ${code}: ${stderr.trim().split("\n").at(-1)}`));
    });
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    const lines: Interface = createInterface({ input: child.stdout });
    const iterator = lines[Symbol.asyncIterator]();
    const first = await Promise.race([iterator.next(), failure]);
    if (typeof first === "string") return first;
    if (first.done === true) return await failure;
    const greeting = JSON.parse(first.value) as Greeting;
    if (greeting.sgemmGflops >= LEAST_GFLOPS) return new TorchProcess(child, iterator, greeting);
    child.kill();
    return `its sgemm makes ${greeting.sgemmGflops.toFixed(1)} GFLOP/s, less than ${LEAST_GFLOPS}: install OpenBLAS`;
  }

  async measure(way: TorchWay, path: string): Promise<TorchMeasurement> {
    this.#process.stdin.write(`${JSON.stringify({ way, path })}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("PyTorch ended before it answered");
    return JSON.parse(value) as TorchMeasurement;
  }

  stop(): void {
    this.#process.stdin.end();
  }
}
