/** Exit code of a tool that was called wrongly. */
const EXIT_USAGE = 2;

/** A command-line tool: how its arguments are read, and what it does with them. */
export interface Tool<Options extends { readonly help: boolean }> {
  readonly help: string;
  /** @throws TypeError or RangeError for arguments that are not understood, as `parseArgs` does. */
  readonly parse: (args: readonly string[]) => Options;
  /** Resolves to the exit code. */
  readonly run: (options: Options) => Promise<number>;
}

/**
 * Runs a command-line tool to its end and leaves the process with what it says. A tool is not a service: nothing
 * waits for its parts.
 *
 * What `parse` throws is the caller's fault: message and help are printed, and the exit code is 2. What `run` throws
 * is ours: its stack, and 1.
 */
export function runTool<Options extends { readonly help: boolean }>({ help, parse, run }: Tool<Options>): void {
  const options = understood(parse, help);
  if (options.help) {
    process.stdout.write(help);
    return;
  }
  run(options).then(
    (code) => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
}

function understood<Options>(parse: (args: readonly string[]) => Options, help: string): Options {
  try {
    return parse(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(EXIT_USAGE);
  }
}
