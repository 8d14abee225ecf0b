import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const REPOSITORY: string = fileURLToPath(new URL("../../", import.meta.url));

const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
const COMMAND_DEADLINE_MILLIS = 120_000;
const LAST_CHARACTERS = 6_000;

export interface DockerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly deadlineMillis?: number;
}

/** Why no Docker engine can be used; null when one can. */
export async function engineProblem(): Promise<string | null> {
  for (const args of [
    ["version", "--format", "{{.Server.Version}}"],
    ["compose", "version"],
  ]) {
    try {
      await docker(args);
    } catch (error) {
      return error instanceof Error ? (error.message.split("\n")[1] ?? error.message) : String(error);
    }
  }
  return null;
}

/** Runs docker in the repository's root. @returns its standard output. */
export async function docker(args: readonly string[], options: DockerOptions = {}): Promise<string> {
  const { env = {}, deadlineMillis = COMMAND_DEADLINE_MILLIS } = options;
  try {
    const { stdout } = await promisify(execFile)("docker", args, {
      cwd: REPOSITORY,
      env: { ...process.env, ...env },
      maxBuffer: MAX_OUTPUT_BYTES,
      timeout: deadlineMillis,
    });
    return stdout;
  } catch (error) {
    const {
      message,
      stdout = "",
      stderr = "",
    } = error as Error & { readonly stdout?: string; readonly stderr?: string };
    const tail = `${stdout}${stderr}`.trim().slice(-LAST_CHARACTERS);
    throw new Error(`docker ${args.join(" ").slice(0, 200)} failed\n${tail === "" ? message : tail}`);
  }
}
