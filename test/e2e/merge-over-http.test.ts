import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect, test } from "vitest";
import { HttpMergeTransport } from "../../services/evaluator/src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { mergeTogether } from "../../services/evaluator/src/merging/merge-together.ts";
import { distributeView } from "../../services/model-server/test/chain-views.ts";
import { BLOCK, MINER, mergeRules, ROUND } from "./merge-terms.ts";
import { type MergingValidator, openMergingValidators, peersOf, servedBy } from "./merging-validators.ts";

test("three validators merge through their model servers and publish the same version", async () => {
  const validators = await openMergingValidators([0.5, 0.25, 0.125]);
  const startedAt = Date.now();
  const ends = await Promise.all(
    validators.map(async (validator) => {
      const { signer, server, store, submissions } = validator;
      const voice = voiceOf(signer);
      const head = () => ({ number: distributeView().block });
      const { layout } = server;
      using transport = new HttpMergeTransport({ layout, voice, head }, { allowPrivateAddresses: true });
      const peers = peersOf(validator, validators);
      return await mergeTogether(
        { round: ROUND, best: new Map([[0, [MINER]]]), submissions, block: BLOCK, peers, startedAt },
        { store, transport, voice, logger: createMemoryLogger() },
        mergeRules(20_000),
        new AbortController().signal,
      );
    }),
  );

  expect(ends.map(({ result, synced, leftOut }) => [result, synced.length, leftOut])).toEqual([
    ["published", 3, []],
    ["published", 3, []],
    ["published", 3, []],
  ]);
  const [one, ...others] = await Promise.all(validators.map(servedBy));
  expect(one).toMatchObject({ version: 1 });
  for (const other of others) expect(other).toEqual(one);
  const [{ store }] = validators as [MergingValidator, ...MergingValidator[]];
  expect(one?.momentum).not.toBe(await momentumDigest(store.layout, 0, [0, 1]));
});
