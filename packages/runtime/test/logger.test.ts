import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "@assay/runtime/logging/logger";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-logs-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a service's file holds every line of its level and above once the logger is closed", async () => {
  const directory = join(folder, "logs");
  const logger = createLogger({ service: "evaluator", level: "info", format: "human", directory, stdout: false });
  logger.debug("Hidden");
  for (let uid = 0; uid < 500; uid += 1) logger.child({ uid }).info("Scored", { w_i: 0.187 });
  await logger.close();
  const lines = (await readFile(join(directory, "evaluator.log"), "utf8")).trimEnd().split("\n");
  expect(lines).toHaveLength(500);
  expect(lines[499]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[INFO\] Scored \| uid: 499 \| w_i: 0\.187$/);
});

test("a file that has grown too large is rotated, and the newest lines stay in the service's own", async () => {
  const options = { service: "evaluator", level: "info", format: "json", directory: folder, stdout: false } as const;
  for (const batch of [0, 1, 2, 3, 4, 5]) {
    const logger = createLogger({ ...options, maxFileBytes: 2_000 });
    for (let uid = 0; uid < 20; uid += 1) logger.info("Scored", { batch, uid });
    await logger.close();
  }
  expect((await readdir(folder)).sort()).toEqual([
    "evaluator.log",
    "evaluator.log.1",
    "evaluator.log.2",
    "evaluator.log.3",
    "evaluator.log.4",
  ]);
  expect(await readFile(join(folder, "evaluator.log"), "utf8")).toContain('"batch":5,"uid":19');
  expect(await readFile(join(folder, "evaluator.log.4"), "utf8")).toContain('"batch":1,"uid":19');
});

test("a folder that cannot be written costs the file, not the service", async () => {
  const directory = join(folder, "taken");
  await writeFile(directory, "a file where a folder should be");
  const logger = createLogger({ service: "evaluator", level: "info", format: "human", directory, stdout: false });
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  logger.info("One");
  logger.info("Two");
  await logger.close();
  expect(stderr.mock.calls).toEqual([[expect.stringContaining("Cannot write")]]);
  stderr.mockRestore();
});

test("a logger without outputs closes as well", async () => {
  const logger = createLogger({ service: "evaluator", level: "info", format: "human", stdout: false });
  logger.info("Nowhere");
  await logger.close();
});

test("what is said after the logger is closed goes to standard error instead of being lost or thrown", async () => {
  const logger = createLogger({
    service: "evaluator",
    level: "info",
    format: "human",
    directory: folder,
    stdout: false,
  });
  await logger.close();
  const written: string[] = [];
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  logger.error("Too late", { uid: 3 });
  stderr.mockRestore();
  expect(written).toEqual([expect.stringMatching(/\[ERROR\] Too late \| uid: 3\n$/)]);
});
