import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect, test } from "vitest";
import { CatchUp } from "../../services/evaluator/src/merging/catch-up/catch-up.ts";
import { offerMomentum } from "../../services/evaluator/src/merging/catch-up/offer-momentum.ts";
import { PeerFiles } from "../../services/evaluator/src/merging/catch-up/peer-files.ts";
import { voiceOf } from "../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { mergeRules, ROUND } from "./merge-terms.ts";
import {
  type MergingValidator,
  mergeAmong,
  openMergingValidators,
  peersOf,
  servedBy,
  transportOf,
  viewHead,
} from "./merging-validators.ts";

const never = new AbortController().signal;

test("one that merged otherwise fetches version and momentum from the others' model servers, and serves them", async () => {
  const validators = await openMergingValidators([0.5, 0.25, 0.125]);
  const [late, ...members] = validators as [MergingValidator, MergingValidator, MergingValidator];
  const [member] = members;
  await mergeAmong(members);
  for (const each of members) {
    using transport = transportOf(each);
    await offerMomentum(ROUND.cycle, 1, { reader: each.store, transport }, never);
  }
  // A version of the same number that nobody else has, and that its server has loaded.
  const groupFiles = new Map([[0, join(late.server.layout.root, "miner", "trained")]]);
  const own = await late.store.publish({ version: 1, parent: 0, cycle: ROUND.cycle, block: 37, groupFiles });
  expect(await digestServed(late, member)).toBe(own.digest);

  using transport = transportOf(late);
  const catchUp = await catchUpOf(late, validators, transport);
  expect(await catchUp.isNeeded(false, never)).toBe(true);
  const { version, digest } = await servedBy(member);
  expect(await catchUp.try(60_000, never)).toMatchObject({ kind: "caught_up", current: { version, digest } });
  expect(await servedBy(late)).toEqual(await servedBy(member));
  await late.store.verify(1);
  expect(await digestServed(late, member)).toBe(digest);
});

/** A catching up with what all others have. */
async function catchUpOf(
  late: MergingValidator,
  all: readonly MergingValidator[],
  transport: ReturnType<typeof transportOf>,
): Promise<CatchUp> {
  const { signer, store } = late;
  const voice = voiceOf(signer);
  const peerFiles = new PeerFiles({ voice, head: viewHead }, { allowPrivateAddresses: true });
  const { version, digest } = await servedBy(all.find((each) => each !== late) as MergingValidator);
  const holders = [...peersOf(late, all).values()];
  const majority = { version, digest, holders: new Map(holders.map(({ hotkey }) => [hotkey, 1n])) };
  const { netuid } = mergeRules(1);
  return new CatchUp(
    { store, transport, peerFiles, voice, logger: createMemoryLogger() },
    { netuid, cycle: ROUND.cycle, majority, holders, peers: holders, isFree: async () => true },
  );
}

/** The digest of the version that a validator's model server gives to another validator. */
async function digestServed(of: MergingValidator, to: MergingValidator): Promise<string> {
  const peerFiles = new PeerFiles({ voice: voiceOf(to.signer), head: viewHead }, { allowPrivateAddresses: true });
  using client = peerFiles.model({ hotkey: of.signer.address, url: of.server.url }, 30_000);
  return (await client.list(never)).model_digest;
}
