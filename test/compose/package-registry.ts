import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Writes an npm configuration with this machine's registry and, as a comment, a text to look for in the images. */
export async function writeRegistryConfig(path: string, marker: string): Promise<void> {
  const { NPM_CONFIG_USERCONFIG = join(homedir(), ".npmrc") } = process.env;
  const own = await readFile(NPM_CONFIG_USERCONFIG, "utf8").catch(() => "");
  const { stdout } = await promisify(execFile)("npm", ["config", "get", "registry"], { cwd: tmpdir() });
  await writeFile(path, `# ${marker}\n${own}\nregistry=${stdout.trim()}\n`, { mode: 0o600 });
}
