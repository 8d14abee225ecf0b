import { type ChunkedFile, merkleRoot } from "@assay/core/chunk-list";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { shownStatementsSchema } from "@assay/core/merging/exchange/exchange-files";
import { describe, expect, test } from "vitest";
import {
  catcher,
  linesOf,
  merged,
  missedMerge,
  register,
  stateOf,
  type Validator,
  validatorsOf,
} from "./catch-up-scene.ts";
import { metric } from "./stage.ts";

describe("beside validators that lie", () => {
  /** Every byte of what a path answers, changed. */
  const spoiled = (wanted: (path: string) => boolean) => (path: string, truth: Buffer | null) =>
    truth !== null && wanted(path) ? (truth.map((byte) => byte ^ 1) as Buffer) : truth;

  test.each([
    ["chunks of the model", (path: string) => path.startsWith("/model/chunks/")],
    ["a list that does not add up", (path: string) => path === "/model/manifest"],
    ["momentum", (path: string) => path.startsWith("/merge/0/chunks/")],
    ["statements", (path: string) => path.endsWith("/statements")],
  ])("of which one gives wrong %s, it takes what another gives", async (_, wanted) => {
    for (const liar of [0, 1]) {
      const { own, others } = await missedMerge();
      (others[liar] as Validator).server.manners = spoiled(wanted);
      await catcher(own)();
      expect(await stateOf(own)).toEqual(await stateOf(others[1 - liar] as Validator));
    }
  });

  test("of which one names chunks of another file in a right list, it takes what another gives", async () => {
    for (const liar of [0, 1]) {
      const { own, others } = await missedMerge();
      (others[liar] as Validator).server.manners = (path, truth) => {
        if (path !== "/model/manifest" || truth === null) return truth;
        const list = JSON.parse(truth.toString());
        const files = list.files.map((file: ChunkedFile) =>
          file.expert_group === 0 ? { ...file, chunks: list.files[2].chunks } : file,
        );
        return Buffer.from(JSON.stringify({ ...list, files, merkle_root: merkleRoot(files) }));
      };
      await catcher(own)();
      expect(await stateOf(own)).toEqual(await stateOf(others[1 - liar] as Validator));
    }
  });

  test("a number that a minority names for the same content is not taken", async () => {
    const [own, ...others] = await validatorsOf(3);
    if (own === undefined) throw new Error("There is no validator");
    await merged(others, 0, 0.5);
    register([own, ...others], [10n, 11n]);
    const { digest: hash = "" } = (await others[0]?.stage.store.current()) ?? {};
    own.stage.chain.buildUntil(42);
    const [liar, honest] = others as [Validator, Validator];
    own.stage.chain.putCommitment(liar.signer.address, encodeCommitment({ hash, version: 9 }, "validator"));
    own.stage.chain.putCommitment(honest.signer.address, encodeCommitment({ hash, version: 1 }, "validator"));
    own.stage.chain.buildUntil(47);
    await catcher(own)();
    expect(await stateOf(own)).toEqual(await stateOf(honest));
  });

  test("momentum that only a minority signed is not taken, though it hands it out", async () => {
    const { own, others } = await missedMerge();
    for (const { server } of others) {
      server.manners = (path, truth) => {
        if (!path.endsWith("/statements") || truth === null) return truth;
        const shown = shownStatementsSchema.parse(JSON.parse(truth.toString()));
        // One author's final is held back: the other holds half of the stake.
        const kept = shown.statements.filter(
          ({ statement }) => statement.kind !== "final" || statement.author !== others[0]?.signer.address,
        );
        return Buffer.from(JSON.stringify({ statements: kept }));
      };
    }
    const run = catcher(own);
    await run();
    expect((await stateOf(own)).current).toMatchObject({ version: 0 });
    expect(linesOf(own).at(-1)).toBe(
      "[WARN] Not caught up yet; it is tried again at each block | cycle: 0 | why: momentum_unknown",
    );
    for (const { server } of others) server.manners = (_path, truth) => truth;
    own.stage.chain.buildBlock();
    await run();
    expect(await stateOf(own)).toEqual(await stateOf(others[0] as Validator));
  });

  test("all of which give wrong bytes, it keeps its own version and gives up when the next merge begins", async () => {
    const { own, others } = await missedMerge();
    const before = await stateOf(own);
    for (const { server } of others) server.manners = spoiled((path) => path.startsWith("/model/chunks/"));
    const run = catcher(own);
    await run();
    own.stage.chain.buildUntil(82);
    await run();
    await run();
    expect(await stateOf(own)).toEqual(before);
    expect(linesOf(own).slice(1)).toEqual([
      "[WARN] Not caught up yet; it is tried again at each block | cycle: 0 | why: version_not_served",
      "[WARN] Not caught up with what the other validators merged | cycle: 0 | why: version_not_served",
    ]);
    expect(await metric(own.stage, "evaluator_catch_ups_total", { result: "version_not_served" })).toBe(1);
  });
});
