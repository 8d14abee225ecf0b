import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { loadHotkey, type WalletSource } from "@assay/chain/hotkey";
import { verifySignature } from "@assay/chain/verify-signature";
import { writeWallet } from "@assay/testing/wallet/wallet-folder";
import { expect, onTestFinished, test } from "vitest";
import golden from "../../testing/golden/wallets/encrypted-hotkey.json" with { type: "json" };

const CONTENT = Buffer.from(golden.contentBase64, "base64");

async function wallet(hotkey: Uint8Array, password: string): Promise<WalletSource> {
  const walletPath = await mkdtemp(join(tmpdir(), "assay-wallets-"));
  onTestFinished(() => rm(walletPath, { recursive: true, force: true }));
  await writeWallet(walletPath, { walletName: "default", hotkeyName: "default", hotkey });
  return { walletPath, walletName: "default", hotkeyName: "default", password };
}

test("a file that the Python wallet's library encrypted opens with its password and signs", async () => {
  const signer = await loadHotkey(await wallet(CONTENT, golden.password));
  const message = new TextEncoder().encode("bz-submit-v1");

  expect(signer).toMatchObject({ address: golden.address, type: "sr25519" });
  expect(verifySignature(message, signer.sign(message), golden.address)).toBe(true);
});

test.each([
  ["another password", CONTENT, "Gruesse, 42 locks"],
  ["one bit changed", CONTENT.map((byte, index) => (index === 60 ? byte ^ 1 : byte)), golden.password],
  ["nothing behind the mark", CONTENT.subarray(0, 20), golden.password],
])("%s does not open it, and the error repeats neither password nor content", async (_case, content, password) => {
  const error = await loadHotkey(await wallet(content, password)).catch((reason: unknown) => reason);

  expect(error).toMatchObject({ code: "CHAIN_HOTKEY_PASSWORD_WRONG", fields: { encryption: "nacl" } });
  const shown = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
  expect(shown).not.toContain(password);
  expect(shown).not.toContain("42 locks");
});
