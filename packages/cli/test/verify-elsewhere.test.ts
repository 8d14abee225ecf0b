import { execFile } from "node:child_process";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadHotkey } from "@assay/chain/hotkey";
import { bundleText } from "@assay/core/receipts/bundle";
import { receiptBundle } from "@assay/testing/builders/receipt-bundle";
import { expect, test } from "vitest";
import { temporaryFolder } from "./command-line.ts";

const CHECKOUT = fileURLToPath(new URL("../../../", import.meta.url));
const LEFT_BEHIND = new Set(["dist", "test"]);

/** The program in another place: its own sources, and the libraries that are installed here. */
async function otherCheckout(): Promise<string> {
  const root = await temporaryFolder();
  await mkdir(join(root, "packages"));
  await cp(join(CHECKOUT, "packages"), join(root, "packages"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !LEFT_BEHIND.has(basename(path)),
  });
  await cp(join(CHECKOUT, "config"), join(root, "config"), { recursive: true, verbatimSymlinks: true });
  await cp(join(CHECKOUT, "package.json"), join(root, "package.json"));
  await symlink(join(CHECKOUT, "node_modules"), join(root, "node_modules"));
  return root;
}

async function verifyIn(root: string, file: string): Promise<{ readonly out: string; readonly exitCode: number }> {
  const main = join(root, "packages/cli/src/main.ts");
  const args = ["--conditions=source", "--disable-warning=ExperimentalWarning", main, "verify", file];
  const { PATH = "" } = process.env;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env: { PATH }, timeout: 60_000 });
    return { out: stdout, exitCode: 0 };
  } catch (error) {
    const { stdout, code } = error as { readonly stdout: string; readonly code: number };
    return { out: stdout, exitCode: code };
  }
}

test("a bundle verifies on another checkout, and a changed one is named there too", async () => {
  const miners = await Promise.all([0, 1, 2, 3, 4, 5].map((index) => loadHotkey({ uri: `//Miner//${index}` })));
  const bundle = receiptBundle({ validator: await loadHotkey({ uri: "//Validator//0" }), miners });
  const root = await otherCheckout();
  const file = join(root, "bundle.json");
  await writeFile(file, bundleText(bundle));
  const { out, exitCode } = await verifyIn(root, file);
  expect([exitCode, out.split("\n").at(-2)]).toEqual([0, "Everything follows."]);

  const { ema } = bundle.scores.after[0] ?? { ema: Number.NaN };
  await writeFile(file, bundleText(bundle).replace(`"ema":${ema}`, `"ema":${ema + 1}`));
  const changed = await verifyIn(root, file);
  expect(changed.exitCode).toBe(1);
  expect(changed.out).toContain("state of uid 1, after.ema: The rules give another value");
});
