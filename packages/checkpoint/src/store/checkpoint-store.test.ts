import { cp, mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { describe, expect, onTestFinished, test } from "vitest";
import { composedBytes } from "../../test/composed-bytes.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { expertName, tinyTensors, writeGroupFile, writeTinyModel } from "../../test/tiny-model.ts";
import { type FileDigest, sha256File } from "../digest.ts";
import { openModelSource } from "../model/model-source.ts";
import { readTensors } from "../safetensors/read.ts";
import { float32Source, writeSafetensors } from "../safetensors/write.ts";
import { CheckpointReader } from "./checkpoint-reader.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import type { ComposedFile } from "./composed-file.ts";
import { writeFullDigest } from "./version-writer.ts";

const block = { cycle: 3, block: 180 };

async function startedStore(root: string, minFreeBytes = 0): Promise<CheckpointStore> {
  const store = new CheckpointStore({ logger: createMemoryLogger() }, { root, keepVersions: 2, minFreeBytes });
  await store.start();
  return store;
}

/** A store with the tiny model cut into two groups. */
async function importedStore() {
  const folder = await temporaryFolder();
  const model = await writeTinyModel(join(folder, "model"));
  const root = join(folder, "store");
  const store = await startedStore(root);
  await store.importModel(model, { groups: 2 });
  return { folder, model, root, store };
}

/** A version on top of `parent` in which group 0 has this value everywhere. */
async function publicationOf(folder: string, version: number, parent: number, value: number) {
  const path = await writeGroupFile(join(folder, `v${version}-${value}-${parent}`), [0, 1], value);
  return { version, parent, ...block, groupFiles: new Map([[0, path]]) };
}

async function publishValue(store: CheckpointStore, folder: string, version: number, parent: number, value: number) {
  return await store.publish(await publicationOf(folder, version, parent, value));
}

/** A part of a version written to a file, as whoever downloads it gets it. */
async function downloaded(file: ComposedFile | undefined): Promise<string> {
  const path = join(await temporaryFolder(), "part.safetensors");
  await writeFile(path, file === undefined ? "" : await composedBytes(file));
  return path;
}

async function namesOf(file: ComposedFile | undefined): Promise<readonly string[]> {
  return [...(await readTensors(await downloaded(file))).tensors.keys()];
}

async function firstValue(file: ComposedFile, name: string): Promise<number | undefined> {
  return (await readTensors(await downloaded(file))).tensors.get(name)?.values[0];
}

describe("an import", () => {
  test("makes it current without copying a tensor", async () => {
    const { root, store } = await importedStore();
    expect((await readdir(join(root, "versions", "0"))).sort()).toEqual([
      "config.json",
      "manifest.json",
      "tokenizer_config.json",
    ]);
    expect(await readdir(join(root, "objects"))).toEqual([]);
    expect(await store.current()).toEqual({ version: 0, digest: (await store.manifest(0)).digest });
    await store.verify(0);
    expect(await readdir(join(root, "tmp"))).toEqual([]);
  });

  test("hands out shared, groups and full as the files that a writer would have written", async () => {
    const { folder, store } = await importedStore();
    const { shared, groups, full } = await store.parts(0);
    expect(await namesOf(shared)).toEqual(["model.embed_tokens.weight", "model.layers.0.mlp.gate.weight"]);
    expect(await namesOf(groups.get(1))).toEqual([
      expertName(0, 2),
      expertName(0, 3),
      expertName(1, 2),
      expertName(1, 3),
    ]);
    expect(await firstValue(full, expertName(1, 3))).toBe(13);
    const written = await writeSafetensors(join(folder, "written"), tinyTensors());
    const { name, ...digest } = (await store.manifest(0)).full;
    expect([name, digest]).toEqual(["model.safetensors", written]);
    expect(await readFile(await downloaded(full))).toEqual(await readFile(join(folder, "written")));
  });

  test("gives the same digest from shards with an index as from one file", async () => {
    const { store, folder } = await importedStore();
    const shards = join(folder, "shards");
    await mkdir(shards);
    await writeFile(join(shards, "config.json"), "{}");
    const [first = [], second = []] = [tinyTensors().slice(0, 4), tinyTensors().slice(4)];
    await writeSafetensors(join(shards, "a.safetensors"), first);
    await writeSafetensors(join(shards, "b.safetensors"), second);
    const names = [
      ...first.map(({ name }) => [name, "a.safetensors"]),
      ...second.map(({ name }) => [name, "b.safetensors"]),
    ];
    const index = JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(names) });
    await writeFile(join(shards, "model.safetensors.index.json"), index);
    const other = await startedStore(join(folder, "other"));
    expect(await other.importModel(shards, { groups: 2 })).toEqual(await store.current());
  });

  test("of the same model does nothing, also from files with new times, and also after newer versions", async () => {
    const { root, store, model, folder } = await importedStore();
    await publishValue(store, folder, 1, 0, 7);
    await utimes(join(model, "model.safetensors"), 1, 1);
    const before = await stat(join(root, "versions", "0"));
    expect(await store.importModel(model, { groups: 2 })).toMatchObject({ version: 1 });
    expect((await stat(join(root, "versions", "0"))).ino).toBe(before.ino);
    await store.verify(1);
  });

  test("of other groups or another model is refused", async () => {
    const { store, model, folder } = await importedStore();
    const conflict = { code: "CHECKPOINT_MODEL_CONFLICT" };
    await expect(store.importModel(model, { groups: 4 })).rejects.toMatchObject(conflict);
    const changed = tinyTensors().map((tensor, index) =>
      index === 0 ? float32Source(tensor.name, tensor.shape, new Float32Array(6)) : tensor,
    );
    const other = await writeTinyModel(join(folder, "other"), changed);
    await expect(store.importModel(other, { groups: 2 })).rejects.toMatchObject(conflict);
  });

  test("that was cut short before it became current is completed by the next one", async () => {
    const { root, store, model } = await importedStore();
    const complete = await store.current();
    await rm(join(root, "current.json"));
    await rm(join(root, "state", "imported-model.json"));
    const restarted = await startedStore(root);
    expect(await restarted.current()).toBe(null);
    expect(await restarted.importModel(model, { groups: 2 })).toEqual(complete);
  });

  test("takes an assignment and shares the experts that it leaves out", async () => {
    const folder = await temporaryFolder();
    const model = await writeTinyModel(join(folder, "model"));
    const logger = createMemoryLogger();
    const store = new CheckpointStore({ logger }, { root: join(folder, "store"), keepVersions: 2 });
    await store.start();
    const only = new Map([
      [0, [[0, 3]]],
      [1, [[0, 1]]],
    ] as const);
    await store.importModel(model, { groups: { groups: new Map([[5, only]]), unassigned: "freeze" } });
    expect([...(await store.groupTensors(0, 5)).keys()]).toEqual([expertName(0, 3), expertName(1, 1)]);
    expect(logger.records[0]).toMatchObject({
      level: "info",
      message: "Experts of no group are part of what is shared",
      fields: { experts: 6 },
    });
  });

  test.each([
    ["nothing", []],
    ["no configuration", ["model.safetensors"]],
    ["no weights", ["config.json"]],
  ])("of a folder with %s is refused", async (_name, kept) => {
    const folder = await temporaryFolder();
    const model = await writeTinyModel(join(folder, "model"));
    for (const name of await readdir(model)) if (!kept.includes(name)) await rm(join(model, name));
    const store = await startedStore(join(folder, "store"));
    await expect(store.importModel(model, { groups: 2 })).rejects.toMatchObject({ code: "CHECKPOINT_MODEL_INVALID" });
  });

  test("without room on the volume is refused before it writes", async () => {
    const folder = await temporaryFolder();
    const model = await writeTinyModel(join(folder, "model"));
    const store = await startedStore(join(folder, "store"), 2 ** 60);
    await expect(store.importModel(model, { groups: 2 })).rejects.toMatchObject({ code: "CHECKPOINT_VOLUME_FULL" });
    expect(await readdir(join(folder, "store", "objects"))).toEqual([]);
  });

  test("that is aborted leaves no version", async () => {
    const folder = await temporaryFolder();
    const model = await writeTinyModel(join(folder, "model"));
    const store = await startedStore(join(folder, "store"));
    await expect(store.importModel(model, { groups: 2 }, AbortSignal.abort())).rejects.toThrow();
    expect(await store.versions()).toEqual([]);
    expect(await readdir(join(folder, "store", "tmp"))).toEqual([]);
  });
});

describe("a publication", () => {
  test("takes the new group, keeps the rest of its parent, and becomes current", async () => {
    const { root, store, folder } = await importedStore();
    const parent = await store.manifest(0);
    const manifest = await publishValue(store, folder, 1, 0, 7);
    expect(manifest).toMatchObject({ version: 1, parent: 0, cycle: 3, block: 180, shared: parent.shared });
    expect(manifest.groups[1]).toEqual(parent.groups[1]);
    expect(manifest.groups[0]?.sha256).not.toBe(parent.groups[0]?.sha256);
    const { full } = await store.parts(1);
    expect([await firstValue(full, expertName(0, 1)), await firstValue(full, expertName(0, 2))]).toEqual([7, 2]);
    expect(await store.current()).toEqual({ version: 1, digest: manifest.digest });
    expect(await readdir(join(root, "objects"))).toEqual([manifest.groups[0]?.sha256]);
    expect(await readFile(join(root, "versions", "1", "config.json"), "utf8")).toBe('{"num_experts":4}');
    await store.verify(1);
  });

  test("that is repeated changes nothing, and with other content is a conflict", async () => {
    const { store, folder } = await importedStore();
    const manifest = await publishValue(store, folder, 1, 0, 7);
    expect(await publishValue(store, await temporaryFolder(), 1, 0, 7)).toEqual(manifest);
    await expect(publishValue(store, folder, 1, 0, 8)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_CONFLICT" });
    expect(await store.current()).toEqual({ version: 1, digest: manifest.digest });
  });

  test("can be made out of sight, shown later, or discarded as if it had never been", async () => {
    const { root, store, folder } = await importedStore();
    const { digest } = await store.manifest(0);
    const publication = await publicationOf(folder, 1, 0, 7);
    const manifest = await store.prepare(publication);
    expect(await store.current()).toEqual({ version: 0, digest });
    await store.discard(1);
    expect(await store.versions()).toEqual([0]);
    await store.retain();
    expect(await readdir(join(root, "objects"))).toEqual([]);
    expect(await store.prepare(publication)).toEqual(manifest);
    expect(await store.makeCurrent(1)).toEqual({ version: 1, digest: manifest.digest });
    await store.discard(1);
    expect(await store.versions()).toEqual([0, 1]);
  });

  test("takes a file that was hashed as it was written, in place of copying it", async () => {
    const { store, folder } = await importedStore();
    const copied = await store.prepare(await publicationOf(folder, 1, 0, 7));
    await store.discard(1);
    await store.retain();
    const { groupFiles, ...rest } = await publicationOf(store.layout.tmp, 1, 0, 7);
    const path = groupFiles.get(0) as string;
    const digests = new Map([[0, await sha256File(path)]]);
    const { ino } = await stat(path);
    expect(await store.prepare({ ...rest, groupFiles, digests })).toEqual(copied);
    const { sha256 } = digests.get(0) as FileDigest;
    expect((await stat(store.layout.object(sha256))).ino).toBe(ino);
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("whose process died before it became current is completed by repeating it", async () => {
    const { root, store, folder } = await importedStore();
    const manifest = await publishValue(store, folder, 1, 0, 7);
    await writeFile(
      join(root, "current.json"),
      JSON.stringify({ version: 0, digest: (await store.manifest(0)).digest }),
    );
    const restarted = await startedStore(root);
    await publishValue(restarted, await temporaryFolder(), 1, 0, 7);
    expect(await restarted.current()).toEqual({ version: 1, digest: manifest.digest });
  });

  test("of an old version never moves the current one back", async () => {
    const { store, folder } = await importedStore();
    await publishValue(store, folder, 1, 0, 7);
    await publishValue(store, folder, 2, 1, 8);
    await publishValue(store, await temporaryFolder(), 1, 0, 7);
    expect(await store.current()).toMatchObject({ version: 2 });
  });

  test("without a changed group has its parent's digest", async () => {
    const { store } = await importedStore();
    const manifest = await store.publish({ version: 1, parent: 0, ...block, groupFiles: new Map() });
    expect(manifest.digest).toBe((await store.manifest(0)).digest);
  });

  test("of tensors that are not the group's is refused", async () => {
    const { store, folder } = await importedStore();
    const path = await writeGroupFile(join(folder, "foreign"), [2, 3], 7);
    const publication = { version: 1, parent: 0, ...block, groupFiles: new Map([[0, path]]) };
    await expect(store.publish(publication)).rejects.toMatchObject({ code: "CHECKPOINT_TENSORS_DIFFER" });
    const unknown = { ...publication, groupFiles: new Map([[9, path]]) };
    await expect(store.publish(unknown)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_MISSING" });
    expect(await store.versions()).toEqual([0]);
  });

  test("on a parent that is gone, or on itself, is refused", async () => {
    const { store } = await importedStore();
    const orphan = { version: 9, parent: 8, ...block, groupFiles: new Map() };
    await expect(store.publish(orphan)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_MISSING" });
    await expect(store.publish({ ...orphan, version: 0, parent: 0 })).rejects.toThrow(RangeError);
  });
});

describe("a start", () => {
  test("removes what a crash left in tmp and half versions, and keeps the rest", async () => {
    const { root, store } = await importedStore();
    await mkdir(join(root, "tmp", "left", "version"), { recursive: true });
    await mkdir(join(root, "versions", "1"));
    await writeFile(join(root, "versions", "1", "config.json"), "half");
    await writeFile(join(root, "versions", "7"), "not a folder");
    const restarted = await startedStore(root);
    expect(await readdir(join(root, "tmp"))).toEqual([]);
    expect(await readdir(join(root, "versions"))).toEqual(["0"]);
    expect(await restarted.current()).toEqual(await store.current());
  });
});

describe("verify", () => {
  test("names the group whose stored bytes changed, and one that is gone", async () => {
    const { root, store, folder } = await importedStore();
    const [group] = (await publishValue(store, folder, 1, 0, 7)).groups;
    const object = join(root, "objects", group?.sha256 ?? "");
    const bytes = await readFile(object);
    bytes[bytes.length - 1] = 0x77;
    await writeFile(object, bytes);
    await expect(store.verify(1)).rejects.toMatchObject({
      code: "CHECKPOINT_HASH_MISMATCH",
      fields: { version: 1, file: "group-0.safetensors" },
    });
    await truncate(object, bytes.length - 1);
    await expect(store.verify(1)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_MISSING" });
    await rm(object);
    await expect(store.source(1)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_MISSING" });
  });
});

describe("the imported folder", () => {
  const FILE = "model.safetensors";
  const changed = { code: "CHECKPOINT_MODEL_CHANGED" };

  /** Other bytes of the same length. */
  async function overwrite(model: string): Promise<void> {
    const bytes = await readFile(join(model, FILE));
    bytes[bytes.length - 1] = 0x77;
    await writeFile(join(model, FILE), bytes);
    await utimes(join(model, FILE), 1, 1);
  }

  test.each([
    ["with other bytes", overwrite],
    ["with a shorter file", (model: string) => truncate(join(model, FILE), 100)],
    ["without its file", (model: string) => rm(join(model, FILE))],
  ])("%s is refused by every reader, by its name", async (_name, change) => {
    const { root, store, model, folder } = await importedStore();
    await publishValue(store, folder, 1, 0, 7);
    await change(model);
    const expected = { ...changed, fields: { path: join(model, FILE) } };
    for (const version of [0, 1]) {
      await expect(store.source(version)).rejects.toMatchObject(expected);
      await expect(new CheckpointReader(root).parts(version)).rejects.toMatchObject(expected);
      await expect(openModelSource(store.directory(version))).rejects.toMatchObject(expected);
    }
    await expect(publishValue(store, folder, 2, 1, 8)).rejects.toMatchObject(expected);
    await expect(store.importModel(model, { groups: 2 })).rejects.toMatchObject(expected);
    expect(await store.current()).toMatchObject({ version: 1 });
  });

  test("that changes while it is read fails the reading", async () => {
    const { store, model } = await importedStore();
    const { shared } = await store.parts(0);
    const reading = shared.open();
    onTestFinished(() => reading.close());
    await reading.fill(Buffer.alloc(shared.bytes), 0);
    await overwrite(model);
    await expect(reading.fill(Buffer.alloc(shared.bytes), 0)).rejects.toMatchObject(changed);
  });

  test("that was only touched is read on", async () => {
    const { root, store, model } = await importedStore();
    await utimes(join(model, FILE), 1, 1);
    await new CheckpointReader(root).verify(0);
    expect((await store.source(0)).experts.layers.get(1)).toBe(4);
  });

  test("may move: an import from its new place reads it from there", async () => {
    const { root, store, model, folder } = await importedStore();
    await publishValue(store, folder, 1, 0, 7);
    const moved = join(folder, "moved");
    await cp(model, moved, { recursive: true });
    await rm(model, { recursive: true });
    await expect(store.parts(1)).rejects.toMatchObject(changed);
    expect(await store.importModel(moved, { groups: 2 })).toEqual(await store.current());
    await new CheckpointReader(root).verify(1);
    const { shared } = await store.source(0);
    expect(shared.get("model.embed_tokens.weight")?.path).toBe(join(moved, FILE));
  });
});

test("stacked experts are handed out group by group, those of no group with what is shared", async () => {
  const folder = await temporaryFolder();
  const [stack, shared] = ["model.layers.0.mlp.experts.down_proj", "model.norm.weight"];
  const rows = (...values: readonly number[]) =>
    float32Source(stack, [values.length, 1, 2], Float32Array.from(values.flatMap((value) => [value, value])));
  const model = await writeTinyModel(join(folder, "model"), [
    rows(0, 1, 2, 3, 4),
    float32Source(shared, [1], Float32Array.of(9)),
  ]);
  const store = await startedStore(join(folder, "store"));
  const pairs = (...experts: readonly number[]) => new Map([[0, experts.map((expert, own) => [own, expert] as const)]]);
  const groups = {
    groups: new Map([
      [0, pairs(3, 1)],
      [7, pairs(4)],
    ]),
    unassigned: "freeze",
  } as const;
  await store.importModel(model, { groups });
  const valuesIn = async (file: ComposedFile | undefined) => {
    const tensors = (await readTensors(await downloaded(file))).tensors;
    return [...tensors].map(([name, { shape, values }]) => [name, [...shape], [...values]]);
  };
  const before = await store.parts(0);
  expect(await valuesIn(before.groups.get(0))).toEqual([[stack, [2, 1, 2], [3, 3, 1, 1]]]);
  expect(await valuesIn(before.groups.get(7))).toEqual([[stack, [1, 1, 2], [4, 4]]]);
  expect(await valuesIn(before.shared)).toEqual([
    [stack, [2, 1, 2], [0, 0, 2, 2]],
    [shared, [1], [9]],
  ]);

  await writeSafetensors(join(folder, "group"), [rows(30, 10)]);
  await store.publish({ version: 1, parent: 0, ...block, groupFiles: new Map([[0, join(folder, "group")]]) });
  const after = await store.parts(1);
  expect(await valuesIn(after.full)).toEqual([
    [stack, [5, 1, 2], [0, 0, 10, 10, 2, 2, 30, 30, 4, 4]],
    [shared, [1], [9]],
  ]);
  await store.verify(1);
});

describe("the file of all tensors", () => {
  test("has a digest once it was hashed, which changes nothing else, and whoever follows the current version is told", async () => {
    const { store, folder, root } = await importedStore();
    const published = await publishValue(store, folder, 1, 0, 7);
    const told = await stat(join(root, "current.json"));
    expect(published.full.sha256).toBeNull();
    await store.describeFull(1);
    const sha256 = (await sha256File(await downloaded((await store.parts(1)).full))).sha256;
    expect(await store.manifest(1)).toEqual({ ...published, full: { ...published.full, sha256 } });
    expect(await store.current()).toEqual({ version: 1, digest: published.digest });
    expect((await stat(join(root, "current.json"))).ino).not.toBe(told.ino);
    await store.describeFull(1);
    await store.verify(1);
    const same = await store.publish({ version: 2, parent: 1, ...block, groupFiles: new Map() });
    expect([same.digest, same.full]).toEqual([published.digest, { ...published.full, sha256 }]);
  });

  test("of a version that is gone, or replaced, is not written down", async () => {
    const { store, folder, root } = await importedStore();
    const hashed = await store.prepare(await publicationOf(folder, 1, 0, 7));
    await store.discard(1);
    await writeFullDigest(store, hashed, "ab".repeat(32));
    expect(await store.versions()).toEqual([0]);

    const published = await store.publish(await publicationOf(folder, 1, 0, 8));
    await writeFullDigest(store, hashed, "ab".repeat(32));
    expect(await new CheckpointReader(root).manifest(1)).toEqual(published);
  });
});

test("a checkpoint directory of an older release is refused by its code", async () => {
  const { root, store } = await importedStore();
  const outdated = { code: "CHECKPOINT_STORE_OUTDATED" };
  for (const schema of [1, 2]) {
    await writeFile(join(root, "versions", "0", "manifest.json"), JSON.stringify({ schema, version: 0 }));
    await expect(store.manifest(0)).rejects.toMatchObject(outdated);
    await expect(startedStore(root)).rejects.toMatchObject(outdated);
  }
});

test("retain keeps the newest, the current and the pinned, and frees what nobody refers to", async () => {
  const { root, store, folder } = await importedStore();
  for (const version of [1, 2, 3, 4]) await publishValue(store, folder, version, version - 1, version);
  await mkdir(join(root, "state", "momentum", "2"), { recursive: true });
  const release = store.pin(1);
  expect(await store.retain(2, [0])).toEqual([2]);
  expect(await readdir(join(root, "state", "momentum"))).toEqual([]);
  release();
  release();
  expect(await store.retain(1)).toEqual([0, 1, 3]);
  expect(await readdir(join(root, "objects"))).toEqual([(await store.manifest(4)).groups[0]?.sha256]);
  await store.verify(4);
  expect(await store.retain(0)).toEqual([]);
});

test("submissions of old rounds expire", async () => {
  const { root, store } = await importedStore();
  for (const round of ["40", "85", "130"]) await mkdir(join(root, "submissions", round));
  expect(await store.expireSubmissions(85)).toBe(1);
  expect(await readdir(join(root, "submissions"))).toEqual(["130", "85"]);
});

test("a reader of another process sees the current version and its tensors", async () => {
  const { root } = await importedStore();
  const reader = new CheckpointReader(root);
  expect(await reader.current()).toMatchObject({ version: 0 });
  expect((await reader.groupTensors(0, 0)).get(expertName(0, 0))).toEqual({ dtype: "F32", shape: [2] });
  await expect(reader.manifest(1)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_MISSING" });
  expect(await new CheckpointReader(await temporaryFolder()).current()).toBe(null);
});

test("a manifest whose digest is not that of its files is refused", async () => {
  const { root, store } = await importedStore();
  const manifest = await store.manifest(0);
  await writeFile(join(root, "versions", "0", "manifest.json"), JSON.stringify({ ...manifest, digest: "00" }));
  await expect(store.manifest(0)).rejects.toMatchObject({ code: "CHECKPOINT_MANIFEST_INVALID" });
});
