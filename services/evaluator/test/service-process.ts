import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const FORBID_MODULES = new URL("./fixtures/forbid-modules.ts", import.meta.url);

export interface ProcessOptions {
  /** Entry file, relative to the repository. */
  readonly entry: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Packages that the process must not load. */
  readonly forbidden?: readonly string[];
}

/** A process of ours with nothing of the environment but what it is given; ended with the test. */
export interface ServiceProcess {
  readonly lines: readonly string[];
  /** The first line that matches, now or later. */
  line(pattern: RegExp): Promise<string>;
  /** Asks it to stop. @returns its exit code. */
  stop(): Promise<number | null>;
}

export function startProcess({ entry, args, cwd, env = {}, forbidden = [] }: ProcessOptions): ServiceProcess {
  const file = fileURLToPath(new URL(`../../../${entry}`, import.meta.url));
  const { PATH = "", HOME = "" } = process.env;
  const flags = ["--conditions=source", "--import", FORBID_MODULES.href];
  const child = spawn(process.execPath, [...flags, file, ...args], {
    cwd,
    env: { PATH, HOME, FORBIDDEN_MODULES: forbidden.join(" "), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  return follow(child);
}

function follow(child: ChildProcessByStdio<null, Readable, Readable>): ServiceProcess {
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const take = (line: string) => {
    lines.push(line);
    for (const watcher of [...watchers]) watcher();
  };
  createInterface({ input: child.stdout }).on("line", take);
  createInterface({ input: child.stderr }).on("line", take);
  return {
    lines,
    line: async (pattern) => {
      const found = Promise.withResolvers<string>();
      const look = () => {
        const line = lines.find((each) => pattern.test(each));
        if (line !== undefined) found.resolve(line);
      };
      const fail = () => found.reject(new Error(`No line matches ${pattern}:\n${lines.join("\n")}`));
      watchers.add(look);
      child.once("close", fail);
      look();
      try {
        return await found.promise;
      } finally {
        watchers.delete(look);
        child.off("close", fail);
      }
    },
    stop: async () => {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}
