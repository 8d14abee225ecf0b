import { COMMANDS } from "./commands.ts";
import { runCli } from "./run-cli.ts";

const abort = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => abort.abort(new Error(`Stopped by ${name}`)));

const { exitCode, out, err } = await runCli(COMMANDS, process.argv.slice(2), {
  progress: (line) => void process.stderr.write(`${line}\n`),
  signal: abort.signal,
});
process.stdout.write(out);
process.stderr.write(err);
process.exitCode = exitCode;
