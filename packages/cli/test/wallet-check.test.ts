import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { writeWallet } from "@assay/testing/wallet/wallet-folder";
import { expect, test } from "vitest";
import golden from "../../testing/golden/wallets/encrypted-hotkey.json" with { type: "json" };
import { assayIn, temporaryFolder } from "./command-line.ts";
import { VALIDATOR_URI, validatorStage } from "./validator-stage.ts";

const PHRASE = golden.keyfile.secretPhrase;
const COLDKEY = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
const NAMES = ["--wallet-name", "main", "--wallet-hotkey", "default"];
const ENCRYPTED = Buffer.from(golden.contentBase64, "base64");

async function check(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const { exitCode, out } = await assayIn(env, "wallet", "check", ...args, "--json");
  expect(out).not.toContain(PHRASE);
  return { exitCode, report: JSON.parse(out) };
}

test("a plain wallet: what it holds, and that it can sign", async () => {
  const folder = await temporaryFolder();
  const hotkey = JSON.stringify(golden.keyfile);
  const file = await writeWallet(folder, { walletName: "main", hotkeyName: "default", hotkey, coldkey: COLDKEY });

  expect(await check({ WALLET_PATH: folder }, ...NAMES)).toEqual({
    exitCode: 0,
    report: {
      wallet: { path: folder, name: "main", coldkey: COLDKEY },
      hotkey: {
        name: "default",
        file,
        mode: "600",
        encryption: "none",
        address: golden.address,
        type: "sr25519",
        canSign: true,
      },
      neuron: null,
      warnings: [],
      problems: [],
    },
  });
});

test("for people, with the warning about a file that others may read", async () => {
  const folder = await temporaryFolder();
  const hotkey = JSON.stringify(golden.keyfile);
  const file = await writeWallet(folder, { walletName: "main", hotkeyName: "default", hotkey, mode: 0o644 });

  const { exitCode, out } = await assayIn({}, "wallet", "check", "--wallet-path", folder, ...NAMES);
  expect(exitCode).toBe(0);
  expect(out).toBe(`Wallet     main in ${folder}
Coldkey    no coldkeypub.txt that names it
Hotkey     ${golden.address}
File       ${file}, mode 644
Encrypted  no
Type       sr25519
Can sign   yes

Warning: CHAIN_HOTKEY_PERMISSIONS | file: ${file} | mode: 644
`);
});

test.each([
  ["no password is given", ENCRYPTED, "nacl", "CHAIN_HOTKEY_PASSWORD_MISSING"],
  [
    "its encryption is an old one",
    Buffer.from("$ANSIBLE_VAULT;1.1"),
    "ansible_vault",
    "CHAIN_HOTKEY_ENCRYPTION_UNSUPPORTED",
  ],
])("the answer is no when %s, and the address comes from the public file", async (_case, hotkey, encryption, code) => {
  const folder = await temporaryFolder();
  await writeWallet(folder, { walletName: "main", hotkeyName: "default", hotkey });
  const pub = JSON.stringify({ ss58Address: golden.address });
  await writeWallet(folder, { walletName: "main", hotkeyName: "defaultpub.txt", hotkey: pub });

  const { exitCode, report } = await check({ WALLET_PATH: folder }, ...NAMES);
  expect(exitCode).toBe(1);
  expect(report.hotkey).toMatchObject({ encryption, address: golden.address, type: null, canSign: false });
  expect(report.problems).toMatchObject([{ code }]);
});

test("the answer is no when the file is not there", async () => {
  const { exitCode, report } = await check({ WALLET_PATH: await temporaryFolder() }, ...NAMES);
  expect(exitCode).toBe(1);
  expect(report.problems).toMatchObject([{ code: "CHAIN_HOTKEY_MISSING" }]);
});

test("the password comes from a descriptor, and stands in no output", async () => {
  const folder = await temporaryFolder();
  await writeWallet(folder, { walletName: "main", hotkeyName: "default", hotkey: ENCRYPTED });
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const assay = [process.execPath, "--conditions=source", main, "wallet", "check", "--wallet-path", folder, ...NAMES];
  const { PATH } = process.env;
  const child = spawn("bash", ["-c", 'cat | "$@" 3<&0 </dev/null', "bash", ...assay, "--json"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH, WALLET_HOTKEY_PASSWORD_FILE: "/dev/fd/3" },
  });
  child.stdin.end(`${golden.password}\n`);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);

  expect({ code, hotkey: JSON.parse(out).hotkey }).toMatchObject({
    code: 0,
    hotkey: { encryption: "nacl", address: golden.address, canSign: true },
  });
  for (const secret of [golden.password, PHRASE]) expect(out + err).not.toContain(secret);
});

test("a password as an argument is not understood", async () => {
  const { exitCode } = await assayIn({}, "wallet", "check", "--wallet-hotkey-password", golden.password);
  expect(exitCode).toBe(2);
});

test("the chain is asked where one is named", async () => {
  const { env, hotkeys, chain } = await validatorStage();
  const { exitCode, report } = await check(env);

  expect(exitCode).toBe(0);
  expect(report).toMatchObject({
    wallet: null,
    hotkey: { name: null, file: null, address: hotkeys[0], canSign: true },
    neuron: { netuid: 2, uid: 0, validatorPermit: true, stakeRao: "1000000000000", block: chain.head.number },
  });
  expect(JSON.stringify(report)).not.toContain(VALIDATOR_URI);
});

test.each([
  ["has no permit", { permit: false }, {}, "CHAIN_NO_PERMIT"],
  ["is not registered", {}, { HOTKEY_URI: "//Stranger" }, "CHAIN_NOT_REGISTERED"],
])("the answer is no when the hotkey %s", async (_case, options, changes, code) => {
  const { env } = await validatorStage(options);
  const { exitCode, report } = await check({ ...env, ...changes });
  expect(exitCode).toBe(1);
  expect(report.problems).toMatchObject([{ code }]);
});
