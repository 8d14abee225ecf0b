import { readdir } from "node:fs/promises";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { gradientInFile } from "@assay/checkpoint/merge/gradient-reader";
import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import type { Round } from "@assay/core/round/round";
import { MemoryMergeNetwork, type MemoryMergeTransport } from "@assay/testing/fake/memory-merge-transport";
import { describe, expect, test, vi } from "vitest";
import { bestOfEachGroup } from "../src/merging/best-of-group.ts";
import { voiceOf } from "../src/merging/exchange/signer-voice.ts";
import { mergeTogether, type TogetherEnd } from "../src/merging/merge-together.ts";
import { prepareMerge } from "../src/merging/prepare-merge.ts";
import { acceptSubmission } from "./merges.ts";
import { onRoster, saveRound, scored } from "./rounds.ts";
import { NETUID, never, openStage, type Stage } from "./stage.ts";

const TIMEOUT_MILLIS = 12_000;
const BLOCK = 37;

/** A validator with a store of its own, in which one submission of group 0 was measured. */
interface Validator {
  readonly signer: Signer;
  readonly stage: Stage;
  readonly round: Round;
}

/** In hotkey order; each has a submission that moved every value by so much. */
async function validatorsOf(deltas: readonly number[]): Promise<readonly Validator[]> {
  const signers = await Promise.all(deltas.map((_, index) => loadHotkey({ uri: `//Validator//${index}` })));
  signers.sort((a, b) => (a.address < b.address ? -1 : 1));
  return await Promise.all(signers.map((signer, index) => validatorOf(signer, deltas[index] ?? 0)));
}

async function validatorOf(signer: Signer, delta: number): Promise<Validator> {
  const stage = await openStage({ model: true });
  const miner = stage.miner(1);
  const round = await saveRound(stage, 0, { roster: [onRoster(miner, 0)], baseVersion: 0 });
  await acceptSubmission(stage, round, miner, { delta, group: 0 });
  await stage.ledger.evaluations.record(scored(round, miner, [4, 3]));
  return { signer, stage, round };
}

async function merge(
  { signer, stage, round }: Validator,
  all: readonly Validator[],
  { transport, startedAt }: { readonly transport: MemoryMergeTransport; readonly startedAt: number },
  signal = never,
): Promise<TogetherEnd> {
  const { store, logger, network, ledger } = stage;
  const others = all.map((each) => each.signer.address).filter((each) => each !== signer.address);
  const peers = new Map(others.map((hotkey) => [hotkey, { hotkey, url: "" }]));
  const best = bestOfEachGroup(round, await ledger.evaluations.list(round.id), 1);
  const submissions = await ledger.submissions.list(round.id);
  return await mergeTogether(
    { round, best, submissions, block: BLOCK, peers, startedAt },
    { store, transport, voice: voiceOf(signer), logger },
    { netuid: NETUID, merge: network.merge, timeoutMillis: TIMEOUT_MILLIS, auditsPerReducer: 1 },
    signal,
  );
}

async function momentumOf({ layout }: Stage, version: number): Promise<string> {
  return await momentumDigest(layout, version, [0, 1]);
}

/** What the current version of each validator is: its number, digest and momentum. */
async function currentOf(validators: readonly Validator[]): Promise<readonly unknown[]> {
  return await Promise.all(
    validators.map(async ({ stage }) => {
      const current = await stage.store.current();
      return { ...current, momentum: await momentumOf(stage, current?.version ?? 0) };
    }),
  );
}

describe("validators that merge together", () => {
  test("publish one version, the step along the mean of what each would have taken", async () => {
    const validators = await validatorsOf([0.5, 0.5, 0.5]);
    const network = new MemoryMergeNetwork();
    const startedAt = Date.now();
    const ends = await Promise.all(
      validators.map((each) => merge(each, validators, { transport: network.join(each.signer.address), startedAt })),
    );
    const all = validators.map(({ signer }) => signer.address);
    for (const { result, members, synced, leftOut, manifest } of ends) {
      expect({ result, members, synced, leftOut, version: manifest?.version }).toEqual({
        result: "published",
        members: all,
        synced: all,
        leftOut: [],
        version: 1,
      });
    }
    // All alike: the mean is what each would have merged alone.
    const alone = await validatorOf((validators[0] as Validator).signer, 0.5);
    const own = await soleGradient(alone, validators[0] as Validator);
    for (const current of await currentOf(validators)) expect(current).toEqual(own);
  });

  test("leave out one that is not there, and one alone publishes nothing", async () => {
    const validators = await validatorsOf([0.5, 0.25, 0.125]);
    const network = new MemoryMergeNetwork();
    const startedAt = Date.now();
    const [first, second] = validators as [Validator, Validator, Validator];
    const ends = await Promise.all(
      [first, second].map((each) =>
        merge(each, validators, { transport: network.join(each.signer.address), startedAt }),
      ),
    );
    expect(ends.map(({ result }) => result)).toEqual(["published", "published"]);
    const [one, other] = await currentOf([first, second]);
    expect(one).toMatchObject({ version: 1 });
    expect(other).toEqual(one);

    const third = validators[2] as Validator;
    const lonely = new MemoryMergeNetwork().join(third.signer.address);
    const end = await merge(third, validators, { transport: lonely, startedAt: Date.now() - TIMEOUT_MILLIS / 2 });
    expect(end).toMatchObject({ result: "no_quorum", manifest: null, members: [] });
    expect(await third.stage.store.current()).toMatchObject({ version: 0 });
    expect(await third.stage.store.versions()).toEqual([0]);
  });

  test.each(["announcement", "result", "final"])(
    "of which one is killed behind its %s end as if it had not been",
    async (kind) => {
      const validators = await validatorsOf([0.5, 0.5, 0.5]);
      const network = new MemoryMergeNetwork();
      const startedAt = Date.now();
      const [killed, ...others] = validators as [Validator, Validator, Validator];
      const running = others.map((each) =>
        merge(each, validators, { transport: network.join(each.signer.address), startedAt }),
      );
      const transport = network.join(killed.signer.address);
      const kill = new AbortController();
      const dying = merge(killed, validators, { transport, startedAt }, kill.signal).catch(() => undefined);
      const hasSaid = async () =>
        (await transport.shown(0)).some(
          ({ statement }) => statement.author === killed.signer.address && statement.kind === kind,
        );
      await vi.waitUntil(hasSaid, { timeout: 10_000, interval: 1 });
      kill.abort();
      await dying;
      expect([0, 1]).toContain((await killed.stage.store.current())?.version);
      const again = network.join(killed.signer.address);
      const ends = await Promise.all([merge(killed, validators, { transport: again, startedAt }), ...running]);
      expect(ends.map(({ result }) => result)).toEqual(["published", "published", "published"]);
      const [one, ...rest] = await currentOf(validators);
      expect(one).toMatchObject({ version: 1 });
      for (const each of rest) expect(each).toEqual(one);
    },
  );

  test("one that is killed behind its publication finds it there", async () => {
    const validators = await validatorsOf([0.5, 0.25]);
    const network = new MemoryMergeNetwork();
    const startedAt = Date.now();
    const play = (each: Validator) =>
      merge(each, validators, { transport: network.join(each.signer.address), startedAt });
    await Promise.all(validators.map(play));
    const before = await currentOf(validators);
    expect(await play(validators[0] as Validator)).toMatchObject({ result: "published", manifest: { version: 1 } });
    expect(await currentOf(validators)).toEqual(before);
    expect(await readdir((validators[0] as Validator).stage.layout.versions)).toEqual(["0", "1"]);
  });
});

/** What a validator comes to that merges another's gradient alone. */
async function soleGradient({ stage }: Validator, { stage: other }: Validator): Promise<unknown> {
  const { store, network } = stage;
  const gradients = new Map([[0, await gradientInFile(`${other.layout.exchangeFolder(0)}/own/group-0.f32`)]]);
  const plan = { round: { cycle: 0, baseVersion: 0 }, gradients, block: BLOCK };
  const { version } = await prepareMerge(plan, { store, merge: network.merge }, never);
  return { ...(await store.makeCurrent(version)), momentum: await momentumOf(stage, version) };
}
