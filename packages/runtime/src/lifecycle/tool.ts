/** Exit code of a tool that was called wrongly. */
const EXIT_USAGE = 2;

/**
 * Runs a command-line tool to its end and leaves the process with what it says. A tool is not a service: nothing
 * waits for its parts.
 *
 * @param main resolves to the exit code. A `TypeError` or a `RangeError` is the caller's fault, as `parseArgs` has it:
 *   the message and the help are printed, and the exit code is 2. Any other error is ours: its stack, and 1.
 */
export function runTool(main: () => Promise<number>, help: string): void {
  main().then(
    (code) => process.exit(code),
    (error: unknown) => {
      const usage = error instanceof TypeError || error instanceof RangeError;
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(usage ? `${error.message}\n\n${help}` : `${stack}\n`);
      process.exit(usage ? EXIT_USAGE : 1);
    },
  );
}
