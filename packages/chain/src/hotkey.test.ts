import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { isAppError } from "@assay/core/app-error";
import { writeWallet } from "@assay/testing/wallet/wallet-folder";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import golden from "../../testing/golden/wallets/encrypted-hotkey.json" with { type: "json" };
import { type HotkeySource, type KeyWarning, loadHotkey, type Signer } from "./hotkey.ts";
import { verifySignature } from "./verify-signature.ts";

const PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
const PHRASE_ADDRESS = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
const PHRASE_ADDRESS_ED25519 = "5DFJF7tY4bpbpcKPJcBTQaKuCDEPCpiz8TRjpmLeTtweqmXL";
const SEED = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
const ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
/** Alice's secret as substrate's own tools publish it: scalar and nonce. */
const ALICE_EXPANDED =
  "0x33a6f3093f158a7109f679410bef1a0c54168145e0cecb4df006c1c2fffb1f09925a225d97aa00682d6a59b95b18780c10d7032336e88f3442b42361f4a66011";
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

    expect(signer.type).toBe("sr25519");
    expect(signature).toHaveLength(64);
    expect(verifySignature(MESSAGE, signature, ALICE)).toBe(true);
    expect(verifySignature(MESSAGE, signature, PHRASE_ADDRESS)).toBe(false);
  });
});

describe("a hotkey from a wallet", () => {
  const wallet = useWallet({
    phrase: { secretPhrase: PHRASE, secretSeed: null, ss58Address: PHRASE_ADDRESS },
    seed: { secretPhrase: null, secretSeed: SEED, ss58Address: ALICE },
    all: golden.keyfile,
    expanded: { privateKey: ALICE_EXPANDED, ss58Address: ALICE },
    expanded_of_golden: { ...golden.keyfile, secretPhrase: null, secretSeed: null },
    no_address: { secretPhrase: PHRASE },
    public_key_only_as_address: { secretPhrase: PHRASE, publicKey: golden.keyfile.publicKey },
    ed25519: { secretPhrase: PHRASE, ss58Address: PHRASE_ADDRESS_ED25519, cryptoType: 0 },
    ed25519_unsaid: { secretPhrase: PHRASE, ss58Address: PHRASE_ADDRESS_ED25519 },
    ed25519_no_address: { secretPhrase: PHRASE, cryptoType: "0" },
    ed25519_private_key: { privateKey: golden.keyfile.secretSeed, ss58Address: PHRASE_ADDRESS_ED25519 },
    foreign: { secretPhrase: PHRASE, ss58Address: ALICE },
    foreign_private_key: { privateKey: ALICE_EXPANDED, ss58Address: PHRASE_ADDRESS },
    empty: { accountId: "0x00" },
    broken: `{"secretPhrase": ${PHRASE}`,
    list: `["${PHRASE}"]`,
    wrong: { secretPhrase: `${PHRASE} ${PHRASE}` },
    nacl: Buffer.from(golden.contentBase64, "base64"),
    vault: "$ANSIBLE_VAULT;1.1;AES256\n3861",
    fernet: "gAAAAABk",
    open_to_all: { secretPhrase: PHRASE },
  });

  test.each([
    ["phrase", PHRASE_ADDRESS],
    ["seed", ALICE],
    ["all", PHRASE_ADDRESS],
    ["expanded", ALICE],
    ["expanded_of_golden", PHRASE_ADDRESS],
    ["no_address", PHRASE_ADDRESS],
    ["public_key_only_as_address", PHRASE_ADDRESS],
  ])("the file %s gives its address and signs with sr25519", async (name, address) => {
    const signer = await loadHotkey(wallet(name));
    expect(signer).toMatchObject({ address, type: "sr25519" });
    expect(verifySignature(MESSAGE, signer.sign(MESSAGE), address)).toBe(true);
  });

  test.each(["ed25519", "ed25519_unsaid", "ed25519_no_address", "ed25519_private_key"])(
    "the file %s is an ed25519 key and signs as one",
    async (name) => {
      const signer = await loadHotkey(wallet(name));
      expect(signer).toMatchObject({ address: PHRASE_ADDRESS_ED25519, type: "ed25519" });
      expect(verifySignature(MESSAGE, signer.sign(MESSAGE), PHRASE_ADDRESS_ED25519)).toBe(true);
      expect(signer.sign(MESSAGE)).toEqual(signer.sign(MESSAGE));
    },
  );

  test.each([
    ["foreign", "CHAIN_HOTKEY_INVALID", "does not belong to its secret"],
    ["foreign_private_key", "CHAIN_HOTKEY_INVALID", "not a valid URI, mnemonic or seed"],
    ["empty", "CHAIN_HOTKEY_INVALID", "holds no secretPhrase, secretSeed or privateKey"],
    ["broken", "CHAIN_HOTKEY_INVALID", "not JSON"],
    ["list", "CHAIN_HOTKEY_INVALID", "not a JSON object"],
    ["wrong", "CHAIN_HOTKEY_INVALID", "not a valid URI, mnemonic or seed"],
    ["nacl", "CHAIN_HOTKEY_PASSWORD_MISSING", "no password is given"],
    ["vault", "CHAIN_HOTKEY_ENCRYPTION_UNSUPPORTED", "old way"],
    ["fernet", "CHAIN_HOTKEY_ENCRYPTION_UNSUPPORTED", "old way"],
    ["absent", "CHAIN_HOTKEY_MISSING", "no such hotkey file"],
    ["../../hotkeys", "CHAIN_HOTKEY_INVALID", "Not a name"],
    [".", "CHAIN_HOTKEY_UNREADABLE", "cannot be read"],
  ])("the file %s is refused with %s and its secret stays in it", async (name, code, message) => {
    const error = await failureOf(wallet(name));
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(message);
    expectNoSecret(error);
  });

  test("a file that others may read is used, with a warning", async () => {
    const warnings: KeyWarning[] = [];
    const { address } = await loadHotkey(wallet("open_to_all"), (warning) => warnings.push(warning));
    await loadHotkey(wallet("phrase"), (warning) => warnings.push(warning));

    expect(address).toBe(PHRASE_ADDRESS);
    expect(warnings).toEqual([
      { code: "CHAIN_HOTKEY_PERMISSIONS", file: expect.stringMatching(/hotkeys\/open_to_all$/), mode: "644" },
    ]);
  });
});

test("a bad URI is refused without being repeated", async () => {
  const error = await failureOf({ uri: `${PHRASE} drive` });
  expect(error).toMatchObject({ code: "CHAIN_HOTKEY_INVALID" });
  expectNoSecret(error);
});

test("a signer shows its address and type and nothing else", async () => {
  const signer: Signer = await loadHotkey({ uri: `${PHRASE}//Alice` });
  expect(JSON.parse(JSON.stringify(signer))).toEqual({ address: ALICE, type: "sr25519" });
  expectNoSecret(signer);
});

/** Writes hotkeys by name; @returns where a name is. */
function useWallet(hotkeys: Readonly<Record<string, object | string>>): (hotkeyName: string) => HotkeySource {
  let walletPath = "";
  beforeAll(async () => {
    walletPath = await mkdtemp(join(tmpdir(), "assay-wallets-"));
    for (const [hotkeyName, content] of Object.entries(hotkeys)) {
      const hotkey = typeof content === "string" || Buffer.isBuffer(content) ? content : JSON.stringify(content);
      const mode = hotkeyName === "open_to_all" ? 0o644 : 0o600;
      await writeWallet(walletPath, { walletName: "default", hotkeyName, hotkey, mode });
    }
  });
  afterAll(() => rm(walletPath, { recursive: true, force: true }));
  return (hotkeyName) => ({ walletPath, walletName: "default", hotkeyName });
}

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
  for (const word of ["bottom", "lonely", SEED.slice(2), ALICE_EXPANDED.slice(2, 40)]) {
    expect(shown).not.toContain(word);
  }
}
