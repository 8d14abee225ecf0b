import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

interface Line {
  readonly level: string;
  readonly message: string;
  readonly name?: string;
  readonly error?: { readonly message: string; readonly stack: readonly string[] };
}

const running: ChildProcess[] = [];
afterEach(() => {
  for (const service of running.splice(0)) service.kill("SIGKILL");
});

/** Runs the fixture; whenever a line's message is a key of `signals`, that signal is sent. */
async function run(mode: string, signals: Readonly<Record<string, NodeJS.Signals>> = {}) {
  const script = fileURLToPath(new URL("./fixtures/service.ts", import.meta.url));
  const service = spawn(process.execPath, ["--conditions=source", script, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(service);
  const lines: Line[] = [];
  createInterface({ input: service.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    const signal = signals[line.message];
    if (signal !== undefined) service.kill(signal);
  });
  const [code] = await once(service, "close");
  return {
    code,
    lines,
    story: lines.map(({ message, name }) => (name === undefined ? message : `${message}: ${name}`)),
  };
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "on %s parts stop in reverse order and the exit code is 0",
  async (signal) => {
    const { code, story } = await run("plain", { "Service started": signal });
    expect(story).toEqual([
      "Part started: first",
      "Part started: second",
      "Service started",
      "Stopping",
      "Asked to stop",
      "Part stopping: second",
      "Part stopping: first",
      "Service stopped",
    ]);
    expect(code).toBe(0);
  },
);

test("a service whose standard output is gone goes on, and stops when it is told to", async () => {
  const script = fileURLToPath(new URL("./fixtures/service.ts", import.meta.url));
  const service = spawn(process.execPath, ["--conditions=source", script, "talking"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(service);
  const errors: string[] = [];
  const gone = Promise.withResolvers<void>();
  createInterface({ input: service.stderr }).on("line", (line) => {
    errors.push(line);
    gone.resolve();
  });
  await once(service.stdout, "data");
  service.stdout.destroy();
  await gone.promise;
  service.kill("SIGTERM");
  const [code] = await once(service, "close");

  expect(code).toBe(0);
  expect(errors).toEqual([expect.stringMatching(/^Standard output is gone: .*EPIPE/)]);
});

test("a configuration error prints every problem, starts nothing and exits with 2", async () => {
  const { code, lines } = await run("config");
  expect(lines).toMatchObject([
    { level: "error", message: "Configuration is not valid", code: "CONFIG_INVALID", problems: 2 },
    { message: "Configuration problem", key: "server_prot", problem: "is not a known key", file: "a.yaml", line: 3 },
    { message: "Configuration problem", key: "netuid", problem: "must be a whole number" },
  ]);
  expect(code).toBe(2);
});

test("a part that cannot start stops those before it and exits with 1", async () => {
  const { code, story, lines } = await run("broken-start");
  expect(story).toEqual(["Part started: first", "Could not start", "Part stopping: first", "Service stopped"]);
  expect(lines[1]?.error?.message).toBe("no disk");
  expect(code).toBe(1);
});

test("a part that does not stop in time costs the exit code", async () => {
  const { code, story } = await run("hang-on-stop", { "Service started": "SIGTERM" });
  expect(story.slice(-2)).toEqual(["Part stopping: hanging", "Could not stop cleanly"]);
  expect(code).toBe(1);
});

test("a signal during the start ends the start", async () => {
  const { code, story } = await run("hang-on-start", { "Waiting for the chain": "SIGTERM" });
  expect(story).toEqual([
    "Part started: first",
    "Waiting for the chain",
    "Stopping",
    "Part stopping: first",
    "Service stopped",
  ]);
  expect(code).toBe(0);
});

test("a second signal ends the process at once", async () => {
  const { code, story } = await run("hang-on-stop", { "Service started": "SIGTERM", "Part stopping": "SIGTERM" });
  expect(story.at(-1)).toBe("Stopping at once");
  expect(code).toBe(1);
});

test("a rejection that nobody caught is logged and ends the process with 1", async () => {
  const { code, lines } = await run("unhandled");
  const crash = lines.find(({ message }) => message === "Service crashed");
  expect(crash).toMatchObject({ level: "error", error: { message: "nobody caught me" } });
  expect(crash?.error?.stack[0]).toMatch(/service\.ts/);
  expect(code).toBe(1);
});

test("a part that reports it can no longer work stops the service with 1", async () => {
  const { code, story } = await run("fail");
  expect(story.slice(-3)).toEqual(["Service failed", "Part stopping: first", "Service stopped"]);
  expect(code).toBe(1);
});
