import { loadHotkey } from "@assay/chain/hotkey";
import { verifySignature } from "@assay/chain/verify-signature";
import { parseHeader, TRUSTED_LIMITS } from "@assay/checkpoint/safetensors/header";
import { phaseAt } from "@assay/core/cycle/phase";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import { groupTensors } from "@assay/evaluation/model/tensor-names";
import { afterEach, describe, expect, test } from "vitest";
import { TINY_CONFIG } from "../src/training/base-model.ts";
import { MinersFixture, NETWORK, type ReceivedSubmission } from "./miners-fixture.ts";

const URI = "//Miner//0";
const OTHER_URI = "//Miner//1";
let fixture: MinersFixture;
afterEach(() => fixture.stop());

describe("a miner's process", { timeout: 60_000 }, () => {
  test("an honest miner announces, downloads, trains, commits in two steps and uploads what it committed", async () => {
    fixture = await MinersFixture.start([URI]);
    fixture.refusals = 2;
    const { address } = await loadHotkey({ uri: URI });
    const miner = await fixture.startMiner({ uri: URI, kind: "honest", group: 2 });

    expect(await miner.told("announced")).toMatchObject({ hotkey: address, uid: 0, group: 2 });
    const { signature } = await miner.told("committed_signature");
    const { hash, version } = await miner.told("committed_hash");
    await miner.told("submitted");

    expect(await miner.told("download_retry")).toMatchObject({
      code: "MINER_SERVER_REFUSED",
      details: { status: 503 },
    });
    expect(version).toBe(4);
    expect(isSigned(address, new TextEncoder().encode(String(hash)), String(signature))).toBe(true);
    const { headers, body } = only(fixture.submissions);
    const location = pushLocation(String(hash));
    expect(headers).toMatchObject({ "x-hotkey": address, "x-expert-group": "2", "x-content-hash": location });
    const blockNumber = Number(headers["x-block-number"]);
    expect(phaseAt(blockNumber, NETWORK.schedule).phase).toBe("submission");
    const message = submitMessageBytes({ hotkey: address, expertGroup: 2, location, blockNumber });
    expect(isSigned(address, message, String(headers["x-signature"]))).toBe(true);
    expect(tensorNames(body)).toEqual(namesOfGroup(2));
  });

  test("a miner that serves its file submits a URL which gives the committed bytes, whole and in ranges", async () => {
    fixture = await MinersFixture.start([URI]);
    const miner = await fixture.startMiner({ uri: URI, kind: "no_change", group: 0, pull: true });
    const { hash } = await miner.told("committed_hash");
    await miner.told("submitted");

    const body = JSON.parse(only(fixture.submissions).body.toString());
    expect(body).toMatchObject({ hotkey: (await loadHotkey({ uri: URI })).address, expert_group: 0 });
    const whole = await fetch(body.checkpoint_url);
    expect(whole.headers.get("etag")).toBe(`"${hash}"`);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(tensorNames(bytes)).toEqual(namesOfGroup(0));
    const rest = await fetch(body.checkpoint_url, { headers: { Range: "bytes=100-", "If-Range": `"${hash}"` } });
    expect(rest.status).toBe(206);
    expect(Buffer.from(await rest.arrayBuffer()).equals(bytes.subarray(100))).toBe(true);
    expect((await fetch(body.checkpoint_url, { headers: { Range: "bytes=9999999-" } })).status).toBe(416);
    const changed = await fetch(body.checkpoint_url, { headers: { Range: "bytes=100-", "If-Range": '"other"' } });
    expect(changed.status).toBe(200);
  });

  test("a copy of the same owner submits an honest miner's file byte for byte, and binds itself to it later", async () => {
    fixture = await MinersFixture.start([URI, OTHER_URI]);
    const copy = await fixture.startMiner({ uri: OTHER_URI, kind: "copy", group: 1 });
    const honest = await fixture.startMiner({ uri: URI, kind: "honest", group: 1 });
    const signed = await Promise.all([honest, copy].map((miner) => miner.told("committed_signature")));
    const [first, second] = signed.map(({ block }) => Number(block));
    await Promise.all([honest.told("submitted"), copy.told("submitted")]);

    expect(second).toBeGreaterThan(first ?? Number.POSITIVE_INFINITY);
    const [one, other] = fixture.submissions.map(({ body }) => body);
    expect(one?.length).toBeGreaterThan(0);
    expect(one?.equals(other ?? Buffer.alloc(0))).toBe(true);
  });

  test("a wrong hash is committed beside an honest upload, and nothing at all by one that does not commit", async () => {
    fixture = await MinersFixture.start([URI, OTHER_URI]);
    const liar = await fixture.startMiner({ uri: URI, kind: "wrong_hash", group: 1 });
    const silent = await fixture.startMiner({ uri: OTHER_URI, kind: "not_committed", group: 3 });
    const [{ sha256 }, { hash }] = await Promise.all([liar.told("trained"), liar.told("committed_hash")]);
    await Promise.all([liar.told("submitted"), silent.told("submitted")]);

    expect(hash).not.toBe(sha256);
    expect(fixture.submissions.map(({ headers }) => headers["x-content-hash"])).toContain(`sha256:${sha256}`);
    expect(silent.lines.map(({ event }) => event)).toEqual([
      "started",
      "announced",
      "downloaded",
      "trained",
      "submitted",
    ]);
  });

  test("a late miner commits in time and knocks when the door is shut; a foreign one sends the next group's tensors", async () => {
    fixture = await MinersFixture.start([URI, OTHER_URI]);
    const late = await fixture.startMiner({ uri: URI, kind: "late", group: 1 });
    const foreign = await fixture.startMiner({ uri: OTHER_URI, kind: "foreign_group", group: 3 });
    await Promise.all([late.told("committed_hash"), foreign.told("submitted")]);

    expect(await late.told("submit_failed")).toMatchObject({ code: "MINER_SERVER_REFUSED", details: { status: 409 } });
    const [inTime, tooLate] = fixture.submissions;
    expect([inTime?.status, tooLate?.status]).toEqual([202, 409]);
    expect(inTime?.headers["x-expert-group"]).toBe("3");
    expect(tensorNames(inTime?.body)).toEqual(namesOfGroup(0));
  });

  test("it ends with 0 when told to or when its parent lets go, and says why it cannot start", async () => {
    fixture = await MinersFixture.start([URI, OTHER_URI]);
    const told = await fixture.startMiner({ uri: URI, kind: "nan", group: 0 });
    const orphan = await fixture.startMiner({ uri: OTHER_URI, kind: "noise", group: 0 });
    const stranger = await fixture.startMiner({ uri: "//Stranger", kind: "nan", group: 0 });
    const confused = await fixture.startMiner({ uri: "//Miner//9", kind: "nan", group: 4 });
    await Promise.all([told.told("started"), orphan.told("started")]);
    told.child.kill("SIGTERM");
    orphan.child.disconnect();

    expect(await Promise.all([told.exited, orphan.exited, stranger.exited, confused.exited])).toEqual([0, 0, 3, 2]);
    expect(stranger.lines.at(-1)).toMatchObject({ event: "failed", code: "MINER_NOT_REGISTERED" });
    expect(confused.lines.at(-1)).toMatchObject({ event: "failed", code: "MINER_CONFIG_INVALID" });
  });
});

function only(submissions: readonly ReceivedSubmission[]): ReceivedSubmission {
  const [first, ...others] = submissions;
  if (first === undefined || others.length > 0) throw new Error(`${submissions.length} submissions`);
  return first;
}

function isSigned(hotkey: string, message: Uint8Array, signature: string): boolean {
  return verifySignature(message, decodeBase64Url(signature) ?? new Uint8Array(), hotkey);
}

function tensorNames(file: Buffer | undefined): readonly string[] {
  const header = parseHeader(file ?? Buffer.alloc(0), TRUSTED_LIMITS);
  return header.kind === "parsed" ? [...header.header.tensors.keys()].sort() : [header.detail];
}

function namesOfGroup(group: number): readonly string[] {
  return groupTensors(TINY_CONFIG, 4, group)
    .map(({ name }) => name)
    .sort();
}
