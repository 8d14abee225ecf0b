import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SubmissionReceipt, SubmissionSource } from "@assay/core/submission-receipt";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { Inbox, payloadName } from "./inbox.ts";

function receipt(hotkey: string, source: SubmissionSource, roundId = 80): SubmissionReceipt {
  return {
    schema: 1,
    submissionId: "s-1",
    roundId,
    uid: 3,
    hotkey,
    group: 1,
    signedBlock: 81,
    receivedBlock: 82,
    receivedAt: 1_763_000_000_000,
    signature: "0xaa",
    source,
  };
}

function pushed(hotkey: string, sha256: string, roundId = 80): SubmissionReceipt {
  return receipt(hotkey, { kind: "push", file: payloadName(hotkey), bytes: 3, sha256 }, roundId);
}

async function push(inbox: Inbox, offered: SubmissionReceipt, content = "abc") {
  const upload = await inbox.begin(offered.roundId, offered.hotkey);
  await writeFile(upload, content);
  return await inbox.accept(offered, upload);
}

async function startedInbox(): Promise<{ readonly inbox: Inbox; readonly root: string }> {
  const root = await temporaryFolder();
  const inbox = new Inbox(root);
  await inbox.start();
  return { inbox, root };
}

test("a pushed submission is a payload and a receipt, and nothing else", async () => {
  const { inbox, root } = await startedInbox();
  const accepted = await push(inbox, pushed("5A", "h1"));
  expect(accepted).toEqual({ kind: "accepted", receipt: pushed("5A", "h1") });
  expect(await readdir(join(root, "80"))).toEqual(["5A.json", "5A.safetensors"]);
  expect(await readFile(inbox.payloadPath(80, "5A"), "utf8")).toBe("abc");
  expect(await inbox.read(80, "5A")).toEqual(pushed("5A", "h1"));
  expect(await readdir(join(root, "uploads"))).toEqual([]);
});

test("a pulled submission is a receipt alone", async () => {
  const { inbox, root } = await startedInbox();
  const offered = receipt("5A", { kind: "pull", url: "https://miner.example/a" });
  expect((await inbox.accept(offered)).kind).toBe("accepted");
  expect(await readdir(join(root, "80"))).toEqual(["5A.json"]);
});

test("the same hash again is a duplicate and another one a conflict; the first stands", async () => {
  const { inbox, root } = await startedInbox();
  await push(inbox, pushed("5A", "h1"));
  expect(await push(inbox, { ...pushed("5A", "h1"), submissionId: "s-2" })).toEqual({
    kind: "duplicate",
    receipt: pushed("5A", "h1"),
  });
  expect(await push(inbox, pushed("5A", "h2"), "xyz")).toEqual({ kind: "conflict", receipt: pushed("5A", "h1") });
  expect((await inbox.accept(receipt("5A", { kind: "pull", url: "https://x.example" }))).kind).toBe("conflict");
  expect(await readFile(inbox.payloadPath(80, "5A"), "utf8")).toBe("abc");
  expect(await readdir(join(root, "uploads"))).toEqual([]);
});

test("of two uploads at once one is accepted, with its own payload", async () => {
  const { inbox } = await startedInbox();
  const results = await Promise.all([push(inbox, pushed("5A", "h1"), "abc"), push(inbox, pushed("5A", "h2"), "xyz")]);
  expect(results.map(({ kind }) => kind).sort()).toEqual(["accepted", "conflict"]);
  const standing = await inbox.read(80, "5A");
  const content = standing?.source.kind === "push" && standing.source.sha256 === "h1" ? "abc" : "xyz";
  expect(await readFile(inbox.payloadPath(80, "5A"), "utf8")).toBe(content);
});

test("a receipt that does not describe its upload is refused and nothing is left", async () => {
  const { inbox, root } = await startedInbox();
  await expect(push(inbox, pushed("5A", "h1"), "longer")).rejects.toThrow(RangeError);
  await expect(inbox.accept(pushed("5A", "h1"))).rejects.toThrow(TypeError);
  expect(await inbox.read(80, "5A")).toBe(null);
  expect(await readdir(join(root, "uploads"))).toEqual([]);
});

test("the list of a round is ordered by hotkey and does not see unfinished files", async () => {
  const { inbox, root } = await startedInbox();
  await push(inbox, pushed("5B", "h2"));
  await push(inbox, pushed("5A", "h1"));
  await writeFile(join(root, "80", ".tmp-5C.json-1"), "{");
  await writeFile(join(root, "80", "5D.safetensors"), "abc");
  expect((await inbox.list(80)).map(({ hotkey }) => hotkey)).toEqual(["5A", "5B"]);
  expect(await inbox.list(81)).toEqual([]);
});

test("a receipt that does not parse is reported and does not hide the others", async () => {
  const { inbox, root } = await startedInbox();
  await push(inbox, pushed("5A", "h1"));
  await writeFile(join(root, "80", "5B.json"), "{}");
  await expect(inbox.list(80)).rejects.toMatchObject({ code: "CHECKPOINT_RECEIPT_INVALID" });
  const unreadable: string[] = [];
  const listed = await inbox.list(80, ({ code }) => unreadable.push(code));
  expect(listed.map(({ hotkey }) => hotkey)).toEqual(["5A"]);
  expect(unreadable).toEqual(["CHECKPOINT_RECEIPT_INVALID"]);
});

test("start removes uploads and payloads that never became a submission, and keeps the others", async () => {
  const { inbox, root } = await startedInbox();
  await push(inbox, pushed("5A", "h1"));
  await writeFile(await inbox.begin(80, "5B"), "half");
  await writeFile(join(root, "80", "5B.safetensors"), "orphan");
  await writeFile(join(root, "80", ".tmp-5C.json-1"), "{");
  await new Inbox(root).start();
  expect(await readdir(join(root, "80"))).toEqual(["5A.json", "5A.safetensors"]);
  expect(await readdir(join(root, "uploads"))).toEqual([]);
});

test("old rounds expire", async () => {
  const { inbox, root } = await startedInbox();
  await push(inbox, pushed("5A", "h1", 9));
  await push(inbox, pushed("5A", "h1", 80));
  await push(inbox, pushed("5A", "h1", 125));
  await mkdir(join(root, "lost+found"));
  expect(await inbox.expire(80)).toBe(1);
  expect(await inbox.rounds()).toEqual([80, 125]);
});

test("a hotkey that is a path is refused", async () => {
  const { inbox } = await startedInbox();
  await expect(inbox.begin(80, "../../etc")).rejects.toThrow(RangeError);
  await expect(inbox.accept(receipt("../a", { kind: "pull", url: "x" }))).rejects.toThrow(RangeError);
});
