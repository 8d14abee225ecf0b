import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { isAppError } from "@assay/core/app-error";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HotkeySource, loadHotkey, type Signer } from "./hotkey.ts";
import { verifySignature } from "./verify-signature.ts";

const PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
const PHRASE_ADDRESS = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
const SEED = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
const ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const MESSAGE = new TextEncoder().encode("bz-submit-v1");

describe("a hotkey from a URI", () => {
  test.each([
    ["a development key", "//Alice", ALICE],
    ["a mnemonic", PHRASE, PHRASE_ADDRESS],
    ["a mnemonic with a path", `${PHRASE}//Alice`, ALICE],
    ["a seed with a path", SEED, ALICE],
    ["a mnemonic with a line break behind it", `${PHRASE}\n`, PHRASE_ADDRESS],
  ])("%s gives its address", async (_case, uri, address) => {
    expect((await loadHotkey({ uri })).address).toBe(address);
  });

  test("signs with sr25519 what verifies for its own address only", async () => {
    const signer = await loadHotkey({ uri: "//Alice" });
    const signature = signer.sign(MESSAGE);

    expect(signature).toHaveLength(64);
    expect(verifySignature(MESSAGE, signature, ALICE)).toBe(true);
    expect(verifySignature(MESSAGE, signature, PHRASE_ADDRESS)).toBe(false);
  });
});

describe("a hotkey from a wallet", () => {
  let walletPath: string;
  const wallet = (hotkeyName: string) => ({ walletPath, walletName: "default", hotkeyName });

  beforeAll(async () => {
    walletPath = await mkdtemp(join(tmpdir(), "assay-wallets-"));
    const folder = join(walletPath, "default", "hotkeys");
    await mkdir(folder, { recursive: true });
    const files: Record<string, string> = {
      phrase: JSON.stringify({ secretPhrase: PHRASE, secretSeed: null, ss58Address: PHRASE_ADDRESS }),
      seed: JSON.stringify({ secretPhrase: null, secretSeed: SEED, ss58Address: ALICE }),
      foreign: JSON.stringify({ secretPhrase: PHRASE, ss58Address: ALICE }),
      empty: JSON.stringify({ accountId: "0x00" }),
      broken: `{"secretPhrase": ${PHRASE}`,
      wrong: JSON.stringify({ secretPhrase: `${PHRASE} ${PHRASE}` }),
      encrypted: "$NACL$gAAAA",
    };
    await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
  });
  afterAll(() => rm(walletPath, { recursive: true, force: true }));

  test.each([
    ["phrase", PHRASE_ADDRESS],
    ["seed", ALICE],
  ])("the file with a %s gives its address", async (name, address) => {
    expect((await loadHotkey(wallet(name))).address).toBe(address);
  });

  test.each([
    ["foreign", "does not belong to its secret"],
    ["empty", "neither secretPhrase nor secretSeed"],
    ["broken", "not JSON"],
    ["wrong", "not a valid URI, mnemonic or seed"],
    ["encrypted", "encrypted"],
    ["absent", "cannot be read"],
    ["../escape", "Not a name"],
  ])("the file %s is refused and its secret stays in it", async (name, message) => {
    const error = await failureOf(wallet(name));
    expect(error).toMatchObject({ code: "CHAIN_HOTKEY_INVALID" });
    expect(error.message).toContain(message);
    expectNoSecret(error);
  });
});

test("a bad URI is refused without being repeated", async () => {
  const error = await failureOf({ uri: `${PHRASE} drive` });
  expect(error).toMatchObject({ code: "CHAIN_HOTKEY_INVALID" });
  expectNoSecret(error);
});

test("a signer shows its address and nothing else", async () => {
  const signer: Signer = await loadHotkey({ uri: `${PHRASE}//Alice` });
  expect(JSON.parse(JSON.stringify(signer))).toEqual({ address: ALICE });
  expectNoSecret(signer);
});

async function failureOf(source: HotkeySource): Promise<Error> {
  try {
    await loadHotkey(source);
  } catch (error) {
    if (isAppError(error)) return error;
    throw error;
  }
  throw new Error("The hotkey was loaded");
}

function expectNoSecret(value: unknown): void {
  const shown = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true });
  for (const word of ["bottom", "lonely", SEED.slice(2)]) expect(shown).not.toContain(word);
}
