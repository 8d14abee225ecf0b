import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { ConfigProblem } from "./config-error.ts";

/** What `--path` means: a folder that may hold the configuration, or the configuration file itself. */
export interface PathArgument {
  /** Absolute; the folder of the file if a file was named. Null when nothing was named or it is not there. */
  readonly directory: string | null;
  /** Absolute; null when the folder holds none, so that defaults, environment and arguments decide. */
  readonly file: string | null;
  readonly problems: readonly ConfigProblem[];
}

/** @param path what followed `--path`: a folder with `<service>.yaml` or `config.yaml`, or a YAML file. */
export function resolvePathArgument(path: string | null, service: string): PathArgument {
  if (path === null) return { directory: null, file: null, problems: [] };
  const absolute = resolve(path);
  const kind = kindOf(absolute);
  if (kind === "file") return { directory: dirname(absolute), file: absolute, problems: [] };
  if (kind === "missing") {
    const message = "is neither a folder nor a file";
    return { directory: null, file: null, problems: [{ path: "--path", message, file: absolute }] };
  }
  const names = [`${service}.yaml`, `${service}.yml`, "config.yaml", "config.yml"];
  const file = names.map((name) => join(absolute, name)).find((candidate) => kindOf(candidate) === "file");
  return { directory: absolute, file: file ?? null, problems: [] };
}

function kindOf(path: string): "file" | "directory" | "missing" {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return "directory";
  return found === undefined ? "missing" : "file";
}
