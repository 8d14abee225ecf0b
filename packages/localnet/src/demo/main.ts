import { runTool } from "@assay/runtime/lifecycle/tool";
import { createLogger } from "@assay/runtime/logging/logger";
import { DEMO_HELP, type DemoOptions, parseDemoOptions } from "./options.ts";
import { runDemo } from "./run-demo.ts";

const EXIT_INTERRUPTED = 130;

const write = (text: string): void => {
  process.stdout.write(text);
};

async function main(options: DemoOptions): Promise<number> {
  const abort = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => abort.abort(new Error(`Stopped by ${name}`)));
  }
  const started = Date.now();
  const logger = createLogger({ service: "demo", level: "warn", format: "human" });
  const { ok, cycles } = await runDemo(options, { write, logger }, abort.signal).catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
    return { ok: false, cycles: [] };
  });
  if (abort.signal.aborted) return EXIT_INTERRUPTED;
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  write(
    ok
      ? `Done in ${seconds} s: in all ${cycles.length} cycles the weights on chain are the intended ones.\n`
      : `Failed after ${seconds} s: the weights on chain are not the intended ones, or a process failed.\n`,
  );
  return ok ? 0 : 1;
}

runTool({ help: DEMO_HELP, parse: parseDemoOptions, run: main });
