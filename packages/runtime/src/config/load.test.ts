import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asksForHelp } from "./arguments.ts";
import { ConfigError, type ConfigProblem } from "./config-error.ts";
import { type LoadOptions, loadConfig, renderConfig } from "./load.ts";
import { configHelp, configReference } from "./reference.ts";
import type { ConfigSchema } from "./schema.ts";

const schema = {
  model_path: { doc: "Folder of the base model.", format: String, default: "./models/base" },
  server_port: { doc: "Port.", format: "port", default: 8080, env: "SERVER_PORT" },
  wallet: {
    name: { doc: "Wallet.", format: String, default: "my-wallet", env: "WALLET_NAME" },
    hotkey: { doc: "Hotkey.", format: String, default: "my-hotkey", arg: "hotkey_name" },
  },
  score_ema_alpha: { doc: "Weight of the old value.", format: Number, default: 0.9 },
  auth_token: {
    doc: "Bearer token.",
    format: String,
    default: "",
    env: "BZ_AUTH_TOKEN",
    sensitive: true,
    environmentOnly: true,
  },
  pull: { doc: "Whether to pull.", format: Boolean, default: true, env: "PULL" },
  phases: { doc: "Phases | in order.", format: Array, default: ["distribute"] as string[], env: "PHASES" },
  limit: { doc: "Limit in bytes.", format: "nat", default: null as number | null, nullable: true },
} satisfies ConfigSchema;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "assay-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(text: string, name = "evaluator.yaml"): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function load(options: Partial<LoadOptions<typeof schema, null>> = {}) {
  return loadConfig({ service: "evaluator", schema, args: [], env: {}, ...options });
}

function problemsOf(run: () => unknown): readonly ConfigProblem[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("precedence", () => {
  test("without anything the defaults hold", () => {
    expect(load().values).toMatchObject({ server_port: 8080, wallet: { name: "my-wallet" }, limit: null });
  });

  test("arguments win over the environment, that over the file", () => {
    write("server_port: 1\nmodel_path: /file\nwallet:\n  name: file\n  hotkey: file\n");
    const { values, file, directory } = load({
      args: ["--path", folder, "--wallet.name=argument"],
      env: { WALLET_NAME: "environment", SERVER_PORT: "2", PULL: "" },
    });
    expect(values).toMatchObject({
      server_port: 2,
      model_path: "/file",
      wallet: { name: "argument", hotkey: "file" },
      pull: true,
    });
    expect({ file, directory }).toEqual({ file: join(folder, "evaluator.yaml"), directory: folder });
  });

  test("a folder's own file is preferred to the shared one", () => {
    write("server_port: 1\n", "config.yaml");
    expect(load({ args: ["--path", folder] }).values.server_port).toBe(1);
    write("server_port: 2\n");
    expect(load({ args: ["--path", folder] }).values.server_port).toBe(2);
    const file = write("server_port: 3\n", "other.yaml");
    expect(load({ args: [`--path=${file}`] }).values.server_port).toBe(3);
  });

  test("arguments may be spelt with dashes, by their other name, and booleans without a value", () => {
    const args = ["--server-port", "99", "--hotkey-name", "hk", "--no-pull", "--score_ema_alpha", "-1"];
    expect(load({ args }).values).toMatchObject({
      server_port: 99,
      wallet: { hotkey: "hk" },
      pull: false,
      score_ema_alpha: -1,
    });
  });

  test("variables become what the schema says", () => {
    const { values } = load({ env: { PULL: "false", PHASES: "train, merge", SERVER_PORT: "0" } });
    expect(values).toMatchObject({ pull: false, phases: ["train", "merge"], server_port: 0 });
  });

  test("a secret may come from a file that the environment names", () => {
    const secret = write("s3cret\n", "token");
    expect(load({ env: { BZ_AUTH_TOKEN_FILE: secret } }).values.auth_token).toBe("s3cret");
  });
});

describe("the file", () => {
  test("may be empty", () => {
    write("# nothing\n");
    expect(load({ args: ["--path", folder] }).values.server_port).toBe(8080);
  });

  test("of the published sample, which lost its indentation, is read with a warning", () => {
    const file = write("wallet:\nname: alpha\nhotkey: beta\n");
    const { values, warnings } = load({ args: ["--path", folder] });
    expect(values.wallet).toEqual({ name: "alpha", hotkey: "beta" });
    expect(warnings).toEqual([
      `${file}:2: "name" is read as "wallet.name"; indent it under "wallet:"`,
      `${file}:3: "hotkey" is read as "wallet.hotkey"; indent it under "wallet:"`,
    ]);
  });

  test("with mistakes is reported with all of them and their lines, other sources included", () => {
    const file = write(
      ["server_prot: 8080", "server_port: 80abc", "wallet:", "  name: 5", "  hotky: x", "score_ema_alpha: .nan"].join(
        "\n",
      ),
    );
    const args = ["--path", folder, "--serverport", "1", "--auth_token", "x", "stray"];
    expect(problemsOf(() => load({ args, env: { PULL: "maybe" } }))).toEqual([
      { path: "--serverport", message: "is not a known argument; did you mean --server_port?" },
      { path: "1", message: "is not a known argument" },
      { path: "--auth_token", message: "is a secret, and every process can read arguments; set BZ_AUTH_TOKEN instead" },
      { path: "stray", message: "is not a known argument" },
      { path: "server_prot", message: "is not a known key; did you mean server_port?", file, line: 1 },
      { path: "wallet.hotky", message: "is not a known key; did you mean wallet.hotkey?", file, line: 5 },
      { path: "server_port", message: "must be a whole number", file, line: 2 },
      { path: "wallet.name", message: "must be of type String: value was 5", file, line: 4 },
      { path: "score_ema_alpha", message: "must be a finite number", file, line: 6 },
      { path: "pull", message: "must be true or false (environment PULL)" },
    ]);
  });

  test.each([
    ["server_port: 1\nserver_port: 2\n", "file", 2],
    ["wallet: 5\n", "wallet", 1],
    ["- a\n", "file", 1],
    ["server_port: [1\n", "file", 2],
    ["server_port: 70000\n", "server_port", 1],
    ["auth_token: x\n", "auth_token", 1],
    ["model_path:\n", "model_path", 1],
    ["__proto__: 1\n", "__proto__", 1],
    ["a: 1\nserver_port: 1\nwallet:\nlimit: x\n", "limit", 4],
  ])("%j has a problem with %s in line %i", (text, path, line) => {
    write(text);
    const found = problemsOf(() => load({ args: ["--path", folder] }));
    expect(found).toContainEqual(expect.objectContaining({ path, line }));
  });

  test("that is not there is a problem, not a crash", () => {
    expect(problemsOf(() => load({ args: ["--path", join(folder, "nowhere")] }))).toEqual([
      { path: "--path", message: "is neither a folder nor a file", file: join(folder, "nowhere") },
    ]);
    expect(problemsOf(() => load({ file: join(folder, "gone.yaml") }))).toMatchObject([
      { path: "file", message: "cannot be read (ENOENT)" },
    ]);
  });
});

test("a secret's value is in no problem", () => {
  const secretSchema = { pin: { doc: "Pin.", format: "nat", default: 0, env: "PIN", sensitive: true } };
  const run = () => loadConfig({ service: "x", schema: secretSchema, args: [], env: { PIN: "-4711" } });
  const problems = problemsOf(run);
  expect(problems).toHaveLength(1);
  expect(JSON.stringify(problems)).not.toContain("4711");
});

test("a value without a default is required", () => {
  const strict = { key: { doc: "Key.", format: String, default: null as string | null, env: "KEY" } };
  const run = () => loadConfig({ service: "x", schema: strict, args: [], env: {} });
  expect(problemsOf(run)).toEqual([{ path: "key", message: "is required (or environment KEY)" }]);
});

test("a network file and rules between values are reported in the same list", () => {
  const file = write("blocks: 3\nphases:\n  train: x\nextra: 1\n", "finney.yaml");
  const issues = [
    { path: ["phases", "train"], message: "expected a number" },
    { path: [], message: "Unrecognized key", keys: ["extra"] },
  ];
  const network = { file: () => file, schema: { safeParse: () => ({ success: false, error: { issues } }) as const } };
  const check = () => [{ path: "pull", message: "needs a limit" }];
  const run = () => loadConfig({ service: "x", schema, args: ["--server_port", "x"], env: {}, network, check });
  expect(problemsOf(run)).toEqual([
    { path: "server_port", message: "must be a whole number (argument --server_port)" },
    { path: "phases.train", message: "expected a number", file, line: 3 },
    { path: "extra", message: "Unrecognized key", file, line: 4 },
    { path: "pull", message: "needs a limit" },
  ]);
});

test("a good network file is handed out beside the values", () => {
  const file = write("blocks: 3\n", "finney.yaml");
  const safeParse = (value: unknown) => ({ success: true, data: value as { blocks: number } }) as const;
  const network = { file: () => file, schema: { safeParse } };
  expect(loadConfig({ service: "x", schema, args: [], env: {}, network }).network.blocks).toBe(3);
});

test("the result is frozen through and through", () => {
  const { values } = load();
  expect([values, values.wallet, values.phases].every(Object.isFrozen)).toBe(true);
});

test("the configuration is shown with its secrets masked", () => {
  const shown = JSON.parse(renderConfig(load({ env: { BZ_AUTH_TOKEN: "s3cret" } })));
  expect(shown).toMatchObject({ auth_token: "[Sensitive]", wallet: { name: "my-wallet" }, limit: null });
});

test("help and reference come from the schema", () => {
  expect([asksForHelp(["--help"]), asksForHelp(["-h"]), asksForHelp(["--path"])]).toEqual([true, true, false]);
  const help = configHelp({ service: "evaluator", summary: "The brain.", schema });
  expect(help).toContain("  --server_port VALUE\n      Port. (default 8080, environment SERVER_PORT)");
  expect(help).toContain("  auth_token (not an argument, environment BZ_AUTH_TOKEN)");
  const reference = configReference(schema);
  expect(reference).toContain("| `wallet.name` | `my-wallet` | `WALLET_NAME` | Wallet. |");
  expect(reference).toContain("Phases \\| in order.");
});
