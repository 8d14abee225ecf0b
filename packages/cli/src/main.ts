import { COMMANDS } from "./commands.ts";
import { runCli } from "./run-cli.ts";

// A diagnostic report of a crash is made to be passed on, and the environment may hold secrets.
process.report.excludeEnv = true;
const abort = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => abort.abort(new Error(`Stopped by ${name}`)));

const { exitCode, out, err } = await runCli(COMMANDS, process.argv.slice(2), {
  progress: (line) => void process.stderr.write(`${line}\n`),
  env: process.env,
  signal: abort.signal,
});
process.stdout.write(out);
process.stderr.write(err);
process.exitCode = exitCode;
