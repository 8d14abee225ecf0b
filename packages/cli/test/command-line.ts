import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { COMMANDS } from "../src/commands.ts";
import { type CliOutcome, runCli } from "../src/run-cli.ts";

/** Runs `assay` in this process. */
export async function assay(...args: readonly string[]): Promise<CliOutcome> {
  return await assayIn({}, ...args);
}

/** {@link assay} with this environment and no other variable. */
export async function assayIn(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<CliOutcome> {
  return await runCli(COMMANDS, args, { progress: () => {}, env, signal: new AbortController().signal });
}

/** {@link assay} with `--json`, its output parsed. */
export async function assayJson(...args: readonly string[]) {
  const { exitCode, out } = await assay(...args, "--json");
  return { exitCode, result: JSON.parse(out) };
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "assay-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
