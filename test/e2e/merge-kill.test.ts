import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { distributeView } from "../../services/model-server/test/chain-views.ts";
import type { MemberTerms } from "./merge-member.ts";
import { ROUND } from "./merge-terms.ts";
import { type MergingValidator, openMergingValidators, peersOf, servedBy } from "./merging-validators.ts";

const MEMBER = fileURLToPath(new URL("merge-member.ts", import.meta.url));
/** Time enough for a process to come back within any of its stages on a busy machine. */
const TIMEOUT_MILLIS = 60_000;

interface Member {
  readonly child: ChildProcess;
  /** Its exit code and what it printed. */
  readonly ended: Promise<{ readonly code: number | null; readonly out: string }>;
}

function start(own: MergingValidator, all: readonly MergingValidator[], startedAt: number): Member {
  const { uri, server, submissions } = own;
  const { block } = distributeView();
  const peers = [...peersOf(own, all)];
  const terms: MemberTerms = {
    uri,
    root: server.layout.root,
    block,
    peers,
    submissions,
    startedAt,
    timeoutMillis: TIMEOUT_MILLIS,
  };
  const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, MEMBER, "--terms", JSON.stringify(terms)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += String(chunk);
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, out: out.trim() }));
  return { child, ended };
}

/** Whether a validator has said this of itself. */
async function hasSaid({ server, signer }: MergingValidator, kind: string): Promise<boolean> {
  const text = await readFile(server.layout.shownStatements(ROUND.cycle), "utf8").catch(() => '{"statements":[]}');
  const { statements } = JSON.parse(text) as { statements: { statement: { author: string; kind: string } }[] };
  return statements.some(({ statement }) => statement.author === signer.address && statement.kind === kind);
}

const isThere = async (path: string) => (await stat(path).catch(() => null)) !== null;

/** When the process is killed, by what its files show. */
const MOMENTS: readonly (readonly [string, (own: MergingValidator) => Promise<boolean>])[] = [
  ["has made its offer", ({ server: { layout } }) => isThere(`${layout.exchangeFolder(ROUND.cycle)}/own.json`)],
  ["has announced it", (own) => hasSaid(own, "announcement")],
  ["has averaged its share", (own) => hasSaid(own, "result")],
  ["begins to make the version", ({ server: { layout } }) => isThere(layout.momentumFolder(1))],
  ["says that it is ready", (own) => hasSaid(own, "final")],
];

describe("a validator that is killed as soon as it", () => {
  test.each(MOMENTS)(
    "%s ends with the version and momentum of the others, and serves nothing in between",
    async (_, isNow) => {
      const validators = await openMergingValidators([0.5, 0.25, 0.125]);
      const [killed, ...others] = validators as [MergingValidator, ...MergingValidator[]];
      const before = await servedBy(killed);
      const startedAt = Date.now();
      const rest = others.map((each) => start(each, validators, startedAt));
      const first = start(killed, validators, startedAt);
      await vi.waitUntil(() => isNow(killed), { timeout: TIMEOUT_MILLIS / 2, interval: 2 });
      first.child.kill("SIGKILL");
      await first.ended;
      const between = await servedBy(killed);
      const again = start(killed, validators, startedAt);
      const ends = await Promise.all([again, ...rest].map(({ ended }) => ended));
      expect(ends).toEqual(validators.map(() => ({ code: 0, out: "published" })));

      const [after, ...served] = await Promise.all(validators.map(servedBy));
      for (const each of served) expect(each).toEqual(after);
      expect(after).toMatchObject({ version: 1 });
      expect([before, after]).toContainEqual(between);
      expect(after).toEqual(await uninterrupted());
    },
  );
});

type Served = Awaited<ReturnType<typeof servedBy>>;

/** The version of the same three without a kill, and its momentum; made once. */
let known: Promise<Served | undefined> | null = null;
function uninterrupted(): Promise<Served | undefined> {
  known ??= mergeUnharmed();
  return known;
}

async function mergeUnharmed(): Promise<Served | undefined> {
  const validators = await openMergingValidators([0.5, 0.25, 0.125]);
  const startedAt = Date.now();
  const ends = await Promise.all(validators.map((each) => start(each, validators, startedAt).ended));
  expect(ends).toEqual(validators.map(() => ({ code: 0, out: "published" })));
  const [served] = await Promise.all(validators.map(servedBy));
  return served;
}
