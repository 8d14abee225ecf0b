import { describe, expect, test } from "vitest";
import { usageError } from "./cli-error.ts";
import type { Command, CommandGroup } from "./command.ts";
import { runCli } from "./run-cli.ts";

const add: Command = {
  summary: "Add numbers.",
  operands: ["LEFT", "RIGHT"],
  options: {
    times: { value: "N", doc: "how often (1)" },
    note: { value: "TEXT", multiple: true, doc: "a remark" },
    fail: { doc: "throw instead" },
  },
  notes: "Whole numbers only.",
  async run({ operands, options }, { progress, signal }) {
    if (options.flag("fail")) throw new RangeError("out of numbers");
    signal.throwIfAborted();
    progress("adding");
    const times = options.wholeNumber("times", { minimum: 1, maximum: 9 }) ?? 1;
    const sum = operands.reduce((total, operand) => total + Number(operand) * times, 0);
    const notes = options.texts("note");
    return {
      text: `${sum}\n`,
      json: { sum, notes, by: new Map([["times", times]]), big: 7n },
      exitCode: sum < 0 ? 1 : 0,
    };
  },
};
const root: CommandGroup = {
  summary: "Arithmetic.",
  commands: { number: { summary: "Numbers.", commands: { add } } },
};

async function run(args: string, signal = new AbortController().signal) {
  const told: string[] = [];
  const progress = (line: string) => told.push(line);
  const outcome = await runCli(root, args.split(" ").filter(Boolean), { progress, env: {}, signal });
  return { ...outcome, told };
}

describe("a command", () => {
  test("gives its text, and tells what goes on apart from it", async () => {
    expect(await run("number add 2 3 --times 2")).toEqual({ exitCode: 0, out: "10\n", err: "", told: ["adding"] });
  });

  test("gives its result as JSON, and may say no", async () => {
    const { exitCode, out } = await run("number add --json --note a --note b -- 2 -3");
    expect(exitCode).toBe(1);
    expect(JSON.parse(out)).toEqual({ sum: -1, notes: ["a", "b"], by: { times: 1 }, big: "7" });
  });

  test("takes no other command's result when it was interrupted", async () => {
    const { exitCode, err } = await run("number add 2 3", AbortSignal.abort());
    expect([exitCode, err]).toEqual([130, "CLI_INTERRUPTED: Interrupted\n"]);
  });

  test("fails with its stack when nobody foresaw why, and as JSON with a code", async () => {
    const { exitCode, out, err } = await run("number add 2 3 --fail");
    expect([exitCode, out]).toEqual([1, ""]);
    expect(err).toMatch(/^CLI_UNEXPECTED: out of numbers\nRangeError: out of numbers\n +at /);
    const json = await run("number add 2 3 --fail --json");
    expect([json.exitCode, json.err, JSON.parse(json.out)]).toEqual([
      1,
      "",
      { error: { code: "CLI_UNEXPECTED", message: "out of numbers", fields: {} } },
    ]);
  });
});

describe("arguments that are not understood", () => {
  test.each([
    ["", "assay needs a command: number"],
    ["number", "assay number needs a command: add"],
    ["nubmer add 2 3", 'assay has no command "nubmer"; did you mean number?'],
    ["number subtract", 'assay number has no command "subtract": one of add'],
    ["number constructor", 'assay number has no command "constructor": one of add'],
    ["number add 2", "RIGHT is missing"],
    ["number add 2 3 4", "What is 4?"],
    ["number add 2 3 --times 10", '--times takes a whole number from 1 to 9, not "10"'],
    ["number add 2 3 --times 1.5", '--times takes a whole number from 1 to 9, not "1.5"'],
  ])("%j: %s", async (args, message) => {
    expect(await run(args)).toMatchObject({ exitCode: 2, out: "", err: `CLI_USAGE: ${message}\n` });
  });

  test.each(["--tims 2", "--times", "--fail=1"])("%s is a usage error too", async (option) => {
    const { exitCode, err } = await run(`number add 2 3 ${option}`);
    expect([exitCode, err.split(":")[0]]).toEqual([2, "CLI_USAGE"]);
  });

  test("an option's contradiction is one as well", async () => {
    const refusing: Command = { ...add, run: () => Promise.reject(usageError("no")) };
    const outcome = await runCli({ summary: "", commands: { no: refusing } }, ["no", "1", "2", "--json"], {
      progress: () => {},
      env: {},
      signal: new AbortController().signal,
    });
    expect([outcome.exitCode, JSON.parse(outcome.out)]).toEqual([
      2,
      { error: { code: "CLI_USAGE", message: "no", fields: {} } },
    ]);
  });
});

describe("--help", () => {
  test("of a group lists every command below it", async () => {
    expect((await run("--help")).out).toBe(
      "Arithmetic.\n\nusage: assay COMMAND [OPTIONS]\n\n  number add  Add numbers.\n\nassay COMMAND --help says more.\n",
    );
  });

  test("of a command says all that it takes", async () => {
    expect(await run("number add -h")).toMatchObject({
      exitCode: 0,
      out: `Add numbers.

usage: assay number add LEFT RIGHT [OPTIONS]

  --times N    how often (1)
  --note TEXT  a remark
  --fail       throw instead
  --json       print the result, or the error, as JSON
  --help       this text

Whole numbers only.
`,
    });
  });
});
