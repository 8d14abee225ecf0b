import { expect, test } from "vitest";
import { temporaryFolder } from "../test/temporary-folder.ts";
import { ensureFreeSpace } from "./disk-space.ts";

test("a write that fits is let through", async () => {
  await ensureFreeSpace(await temporaryFolder(), 1);
});

test.each([
  [2 ** 60, 0],
  [1, 2 ** 60],
])("a write of %d bytes that must leave %d is refused before it begins", async (bytes, minFreeBytes) => {
  await expect(ensureFreeSpace(await temporaryFolder(), bytes, minFreeBytes)).rejects.toMatchObject({
    code: "CHECKPOINT_VOLUME_FULL",
    retryable: true,
  });
});
