import { stripVTControlCharacters } from "node:util";
import { type DockerOptions, docker } from "./docker.ts";

export interface ComposeOptions {
  readonly name: string;
  /** Compose files, as seen from the repository's root. */
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Container {
  readonly Name: string;
  readonly Service: string;
  readonly State: string;
  readonly Health: string;
  readonly ExitCode: number;
}

/** One `docker compose` project that no `.env` of this machine has a say in. */
export class ComposeProject {
  readonly #options: ComposeOptions;

  constructor(options: ComposeOptions) {
    this.#options = options;
  }

  /** @returns what `docker compose ARGS` printed. */
  async run(args: readonly string[], options: Pick<DockerOptions, "deadlineMillis"> = {}): Promise<string> {
    const { name, files, env } = this.#options;
    const project = ["--project-name", name, "--env-file", "/dev/null", ...files.flatMap((file) => ["--file", file])];
    return await docker(["compose", ...project, ...args], { ...options, env });
  }

  /** All containers of a service, the ended ones included. */
  async containers(service: string): Promise<readonly Container[]> {
    const lines = await this.run(["ps", "--all", "--format", "json", service]);
    return lines
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Container);
  }

  /** What a service wrote to its standard output and error, without colours and names. */
  async logs(service: string): Promise<string> {
    return stripVTControlCharacters(await this.run(["logs", "--no-color", "--no-log-prefix", service]));
  }

  /** Runs a module in the one container of a service. @returns what it printed. */
  async evaluate(service: string, module: string): Promise<string> {
    return await this.run(["exec", "-T", service, "node", "--input-type=module", "--eval", module]);
  }
}
