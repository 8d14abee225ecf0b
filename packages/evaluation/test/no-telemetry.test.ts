import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const CREATE_SESSION = `
  import { InferenceSession } from ${JSON.stringify(new URL("../src/onnx/runtime.ts", import.meta.url).href)};
  await InferenceSession.create(new Uint8Array([1])).catch(() => {});
`;

test("ONNX Runtime starts no telemetry: it keeps no identifier of this machine in the home folder", async () => {
  const home = await mkdtemp(join(tmpdir(), "assay-home-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const { PATH = "" } = process.env;

  await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", CREATE_SESSION], {
    env: { PATH, HOME: home },
  });

  expect(await readdir(home)).toEqual([]);
});
