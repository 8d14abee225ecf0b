import type { CommandOptions } from "./command-options.ts";

/** What a command takes after its name. */
export interface OptionRule {
  /** Placeholder of the value in the help, as `FILE`; without it the option is a flag. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly multiple?: boolean;
  readonly doc: string;
}

/** What a command gives: for people and, with `--json`, for programs. */
export interface CommandResult {
  readonly text: string;
  readonly json: unknown;
  /** 1 when the answer is no, as for a model that cannot be evaluated. */
  readonly exitCode: 0 | 1;
}

/** What a command may use of the process. */
export interface CommandContext {
  /** One line about what goes on, for a person who waits. */
  readonly progress: (line: string) => void;
  /** The process's environment; the only place that secrets come from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the person has had enough. */
  readonly signal: AbortSignal;
}

/** One thing that `assay` does. */
export interface Command {
  readonly summary: string;
  /** Placeholders of what must follow, in order: `["PATH"]`. */
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, OptionRule>>;
  /** Ends of the help: notes on what cannot be said in a line. */
  readonly notes?: string;
  /** Exit code when there is no answer, where it must not be taken for one; 1 otherwise. */
  readonly failureExit?: number;
  /** @throws AppError with a stable code for everything that can go wrong. */
  run(input: CommandInput, context: CommandContext): Promise<CommandResult>;
}

export interface CommandInput {
  /** As many as the command's `operands`. */
  readonly operands: readonly string[];
  readonly options: CommandOptions;
}

/** Commands by the word that names them; a group has commands of its own. */
export interface CommandGroup {
  readonly summary: string;
  readonly commands: Readonly<Record<string, Command | CommandGroup>>;
}

export function isGroup(command: Command | CommandGroup): command is CommandGroup {
  return "commands" in command;
}
