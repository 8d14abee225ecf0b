import { statfs } from "node:fs/promises";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { UploadRoom } from "./upload-room.ts";

/** Others write to the volume of temporary folders meanwhile, so that these tests leave them a margin. */
const MARGIN = 1 << 30;

async function roomWith(spareBytes: number): Promise<UploadRoom> {
  const folder = await temporaryFolder();
  const { bavail, bsize } = await statfs(folder);
  return new UploadRoom({ folder, reserveBytes: bavail * bsize - spareBytes });
}

test("what one upload was promised another does not get, until it is let go", async () => {
  const room = await roomWith(3 * MARGIN);
  const first = await room.take(2 * MARGIN);
  const second = await room.take(2 * MARGIN);
  expect([first.kind, second.kind]).toEqual(["taken", "lacking"]);
  if (first.kind === "taken") first.room.release();
  expect((await room.take(2 * MARGIN)).kind).toBe("taken");
});

test("of two at once only one gets the last room", async () => {
  const room = await roomWith(3 * MARGIN);
  const kinds = (await Promise.all([room.take(2 * MARGIN), room.take(2 * MARGIN)])).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "taken").length).toBeLessThan(2);
});

test("bytes that are on the disk are not counted twice", async () => {
  const room = await roomWith(4 * MARGIN);
  const first = await room.take(3 * MARGIN);
  if (first.kind === "taken") first.room.wrote(2 * MARGIN);
  expect((await room.take(2 * MARGIN)).kind).toBe("taken");
});

test("the reserve is not for uploads, and a refusal says what is lacking", async () => {
  const room = new UploadRoom({ folder: await temporaryFolder(), reserveBytes: Number.MAX_SAFE_INTEGER });
  expect(await room.take(10)).toEqual({ kind: "lacking", freeBytes: 0, neededBytes: 10 });
});
