import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { expertName, tinyTensors, writeGroupFile, writeTinyModel } from "../../test/tiny-model.ts";
import { readTensors } from "../safetensors/read.ts";
import { float32Source, writeSafetensors } from "../safetensors/write.ts";
import { CheckpointReader } from "./checkpoint-reader.ts";
import { CheckpointStore } from "./checkpoint-store.ts";

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
async function publishValue(store: CheckpointStore, folder: string, version: number, parent: number, value: number) {
  const path = await writeGroupFile(join(folder, `v${version}-${value}-${parent}`), [0, 1], value);
  return await store.publish({ version, parent, ...block, groupFiles: new Map([[0, path]]) });
}

async function namesOf(path: string): Promise<readonly string[]> {
  return [...(await readTensors(path)).tensors.keys()];
}

async function firstValue(path: string, name: string): Promise<number | undefined> {
  return (await readTensors(path)).tensors.get(name)?.values[0];
}

describe("an import", () => {
  test("cuts the model into shared, groups and full, and makes it current", async () => {
    const { root, store } = await importedStore();
    const version = join(root, "versions", "0");
    expect((await readdir(version)).sort()).toEqual([
      "config.json",
      "group-0.safetensors",
      "group-1.safetensors",
      "manifest.json",
      "model.safetensors",
      "shared.safetensors",
      "tokenizer_config.json",
    ]);
    expect(await namesOf(join(version, "shared.safetensors"))).toEqual([
      "model.embed_tokens.weight",
      "model.layers.0.mlp.gate.weight",
    ]);
    expect(await namesOf(join(version, "group-1.safetensors"))).toEqual([
      expertName(0, 2),
      expertName(0, 3),
      expertName(1, 2),
      expertName(1, 3),
    ]);
    expect((await namesOf(join(version, "model.safetensors"))).length).toBe(10);
    expect(await firstValue(join(version, "model.safetensors"), expertName(1, 3))).toBe(13);
    expect(await store.current()).toEqual({ version: 0, digest: (await store.manifest(0)).digest });
    await store.verify(0);
    expect(await readdir(join(root, "tmp"))).toEqual([]);
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
      level: "warn",
      message: "Experts without a group are shared",
      fields: { tensors: 6 },
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
    const full = join(root, "versions", "1", "model.safetensors");
    expect([await firstValue(full, expertName(0, 1)), await firstValue(full, expertName(0, 2))]).toEqual([7, 2]);
    expect(await store.current()).toEqual({ version: 1, digest: manifest.digest });
    const inodes = [0, 1].map(async (n) => (await stat(join(root, "versions", `${n}`, "shared.safetensors"))).ino);
    expect(new Set(await Promise.all(inodes)).size).toBe(1);
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
    await writeFile(join(root, "versions", "1", "shared.safetensors"), "half");
    await writeFile(join(root, "versions", "7"), "not a folder");
    const restarted = await startedStore(root);
    expect(await readdir(join(root, "tmp"))).toEqual([]);
    expect(await readdir(join(root, "versions"))).toEqual(["0"]);
    expect(await restarted.current()).toEqual(await store.current());
  });
});

test("verify names the file whose bytes changed, and a file that is gone", async () => {
  const { root, store } = await importedStore();
  await truncate(join(root, "versions", "0", "group-1.safetensors"), 10);
  await expect(store.verify(0)).rejects.toMatchObject({
    code: "CHECKPOINT_HASH_MISMATCH",
    fields: { version: 0, file: "group-1.safetensors" },
  });
  await rm(join(root, "versions", "0", "shared.safetensors"));
  await expect(store.verify(0)).rejects.toMatchObject({ code: "CHECKPOINT_VERSION_MISSING" });
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
  expect((await readdir(join(root, "objects"))).length).toBe(4);
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
