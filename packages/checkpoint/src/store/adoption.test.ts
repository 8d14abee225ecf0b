import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { describe, expect, test } from "vitest";
import { composedBytes } from "../../test/composed-bytes.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { writeGroupFile, writeTinyModel } from "../../test/tiny-model.ts";
import { writeJsonAtomic } from "../atomic-write.ts";
import { momentumDigest } from "../merge/momentum-digest.ts";
import { type Adoption, placeMomentum, stageMomentum } from "./adoption.ts";
import { CheckpointReader } from "./checkpoint-reader.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import type { ComposedFile } from "./composed-file.ts";

const GROUPS = [0, 1];
const free = async (): Promise<boolean> => true;

interface Validator {
  readonly folder: string;
  readonly store: CheckpointStore;
}

async function open(folder: string): Promise<CheckpointStore> {
  const store = new CheckpointStore({ logger: createMemoryLogger() }, { root: join(folder, "store"), keepVersions: 2 });
  await store.start();
  return store;
}

/** A store with the same tiny model in two groups. */
async function validator(): Promise<Validator> {
  const folder = await temporaryFolder();
  const store = await open(folder);
  await store.importModel(await writeTinyModel(join(folder, "model")), { groups: 2 });
  return { folder, store };
}

/** Publishes a version in which group 0 has this value everywhere, and its momentum the same text. */
async function publish({ folder, store }: Validator, version: number, value: number): Promise<void> {
  await mkdir(store.layout.momentumFolder(version), { recursive: true });
  await writeFile(store.layout.momentum(version, 0), `momentum ${value}`);
  const path = await writeGroupFile(join(folder, `v${version}-${value}`), [0, 1], value);
  const groupFiles = new Map([[0, path]]);
  await store.publish({ version, parent: version - 1, cycle: version, block: 1, groupFiles });
}

/** What another validator's version is to one that fetched group 0 and its momentum. */
async function adoptionOf({ store }: Validator, version: number): Promise<Adoption> {
  const { digest, groups } = await store.manifest(version);
  return {
    version,
    digest,
    groups: new Map(groups.map(({ group, sha256 }) => [group, sha256])),
    groupFiles: new Map([[0, store.layout.object(groups[0]?.sha256 ?? "")]]),
    momentumFiles: new Map([[0, store.layout.momentum(version, 0)]]),
    momentumDigest: await momentumDigest(store.layout, version, GROUPS),
  };
}

/** All that names what a validator would merge from next. */
async function stateOf({ store }: Validator) {
  const current = await store.current();
  const version = current?.version ?? -1;
  return {
    current,
    digest: (await store.manifest(version)).digest,
    momentum: await momentumDigest(store.layout, version, GROUPS),
  };
}

describe("a version of others", () => {
  test("becomes the current one with its momentum, and merges go on from it", async () => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    expect(await own.store.adopt(await adoptionOf(other, 1), free)).toEqual(await other.store.current());
    expect(await stateOf(own)).toEqual(await stateOf(other));
    await own.store.verify(1);
    await publish(other, 2, 6);
    await publish(own, 2, 6);
    expect(await stateOf(own)).toEqual(await stateOf(other));
  });

  test("may be many numbers ahead, and what it shares with a held one is not fetched", async () => {
    const [other, own] = [await validator(), await validator()];
    for (const version of [1, 2, 3]) await publish(other, version, 5);
    await publish(own, 1, 5);
    const { groupFiles: _, ...known } = await adoptionOf(other, 3);
    await own.store.adopt({ ...known, groupFiles: new Map() }, free);
    expect(await stateOf(own)).toEqual(await stateOf(other));
  });

  test("takes the place of another one of its number, while whoever read that goes on reading it", async () => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    await publish(own, 1, 7);
    const reader = new CheckpointReader(own.store.layout.root);
    const before = await reader.whole(1);
    const wholeBefore = await composedBytes(before.parts.full);
    await own.store.adopt(await adoptionOf(other, 1), free);
    expect(await stateOf(own)).toEqual(await stateOf(other));
    await own.store.verify(1);
    expect(await composedBytes(before.parts.full)).toEqual(wholeBefore);
    const theirs = (await other.store.parts(1)).full;
    expect(await composedBytes((await reader.whole(1)).parts.full)).toEqual(await composedBytes(theirs));
  });

  test("with the same content and other momentum keeps the digest of its whole", async () => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    await publish(own, 1, 5);
    await writeFile(other.store.layout.momentum(1, 0), "other momentum");
    await own.store.describeFull(1);
    const { full } = await own.store.manifest(1);
    await own.store.adopt(await adoptionOf(other, 1), free);
    expect(await stateOf(own)).toEqual(await stateOf(other));
    expect((await own.store.manifest(1)).full).toEqual(full);
    expect(full.sha256).not.toBeNull();
  });

  test("is gone back to from a higher number, and the next merge replaces what was higher", async () => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    for (const [version, value] of [
      [1, 7],
      [2, 8],
      [3, 9],
    ] as const)
      await publish(own, version, value);
    await own.store.adopt(await adoptionOf(other, 1), free);
    expect(await stateOf(own)).toEqual(await stateOf(other));
    await own.store.discard(2);
    await publish(own, 2, 6);
    await publish(other, 2, 6);
    expect(await stateOf(own)).toEqual(await stateOf(other));
  });

  test("waits while somebody needs what it would replace, and nothing has changed", async () => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    await publish(own, 1, 7);
    const before = await stateOf(own);
    const adoption = await adoptionOf(other, 1);
    expect(await own.store.adopt(adoption, async () => false)).toBeNull();
    const release = own.store.pin(1);
    expect(await own.store.adopt(adoption, free)).toBeNull();
    expect(await stateOf(own)).toEqual(before);
    release();
    expect(await own.store.adopt(adoption, free)).toEqual(await other.store.current());
  });

  test.each([
    ["momentum", (adoption: Adoption) => ({ ...adoption, momentumFiles: new Map() })],
    ["a digest", (adoption: Adoption) => ({ ...adoption, digest: "0".repeat(64) })],
    ["a group's file", (adoption: Adoption) => ({ ...adoption, groupFiles: adoption.momentumFiles })],
    ["a group", (adoption: Adoption) => ({ ...adoption, groupFiles: new Map() }), "CHECKPOINT_VERSION_MISSING"],
  ])("is refused with wrong %s, and nothing has changed", async (_, spoil, code = "CHECKPOINT_HASH_MISMATCH") => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    await publish(own, 1, 7);
    const before = await stateOf(own);
    const adopting = own.store.adopt(spoil(await adoptionOf(other, 1)), free);
    await expect(adopting).rejects.toMatchObject({ code });
    expect(await stateOf(own)).toEqual(before);
    expect(await stateOf({ ...own, store: await open(own.folder) })).toEqual(before);
  });
});

describe("a replacement that was killed", () => {
  /** Where the kill comes, as what was done by then after the decision. */
  const kills = [
    ["behind the decision", async () => undefined],
    ["behind the momentum", async ({ layout }: CheckpointStore) => await placeMomentum(layout, 1)],
    [
      "behind the manifest",
      async ({ layout }: CheckpointStore, manifest: unknown) => {
        await placeMomentum(layout, 1);
        await writeJsonAtomic(layout.manifest(1), manifest);
      },
    ],
  ] as const;

  test.each(kills)("%s is ended by the next start", async (_, killed) => {
    const [other, own, whole] = [await validator(), await validator(), await validator()];
    await publish(other, 1, 5);
    await publish(own, 1, 7);
    await publish(whole, 1, 7);
    const adoption = await adoptionOf(other, 1);
    await whole.store.adopt(adoption, free);
    const manifest = await whole.store.manifest(1);

    // The files of the version were there before the decision.
    const { sha256 } = manifest.groups[0] ?? { sha256: "" };
    const bytes = await composedBytes((await other.store.parts(1)).groups.get(0) as ComposedFile);
    await writeFile(own.store.layout.object(sha256), bytes);
    await stageMomentum(own.store.layout, adoption);
    await writeJsonAtomic(own.store.layout.replacement, manifest);
    await killed(own.store, manifest);
    const restarted = { ...own, store: await open(own.folder) };
    expect(await stateOf(restarted)).toEqual(await stateOf(other));
    await restarted.store.verify(1);
  });

  test("before the decision leaves the old version, and no momentum that was laid aside", async () => {
    const [other, own] = [await validator(), await validator()];
    await publish(other, 1, 5);
    await publish(own, 1, 7);
    const before = await stateOf(own);
    await stageMomentum(own.store.layout, await adoptionOf(other, 1));
    const restarted = { ...own, store: await open(own.folder) };
    expect(await stateOf(restarted)).toEqual(before);
    await expect(rm(own.store.layout.nextMomentumFolder(1), { recursive: true })).rejects.toMatchObject({
      code: "ENOENT",
    });
  });
});
