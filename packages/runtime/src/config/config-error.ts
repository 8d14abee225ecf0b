import { AppError } from "@assay/core/app-error";

/** How configuration can fail. Codes are stable: dashboards and runbooks use them. */
export const ConfigErrorCode = {
  /** At least one value is unknown, missing or bad; `problems` lists all of them. Nothing was started. */
  Invalid: "CONFIG_INVALID",
} as const;
export type ConfigErrorCode = (typeof ConfigErrorCode)[keyof typeof ConfigErrorCode];

/** One thing to correct before the service can start. */
export interface ConfigProblem {
  /** The key as operators write it (`wallet.name`), the argument or the file that is wrong. */
  readonly path: string;
  readonly message: string;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

export class ConfigError extends AppError<ConfigErrorCode> {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(ConfigErrorCode.Invalid, problems.map(describeProblem).join("; "), { fields: { problems: problems.length } });
    this.problems = problems;
  }
}

/** `config.yaml:12: server_prot: unknown key`. */
export function describeProblem({ path, message, file, line }: ConfigProblem): string {
  const place = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`}: `;
  return `${place}${path}: ${message}`;
}

export function isConfigError(error: unknown): error is ConfigError {
  return error instanceof ConfigError;
}
