import { createHash } from "node:crypto";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writeChunkTable } from "./offered-table.ts";
import { rereadReduced } from "./reduce-chunks.ts";

const attempt = {
  attempt: 1,
  members: new Map(),
  deal: [0, 1].map((chunk) => ({ index: chunk, group: 0, chunk, values: 2, contributors: ["A"], reducer: "A" })),
};

test("averages that were announced are found again only if they are still what was announced", async () => {
  const folder = await mkdtemp(join(tmpdir(), "assay-reduced-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const output = join(folder, "reduced-1.f32");
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  await writeFile(output, bytes);
  const sha256 = [0, 8].map((begin) =>
    createHash("sha256")
      .update(bytes.subarray(begin, begin + 8))
      .digest("hex"),
  );
  const chunks = sha256.map((each, index) => ({ sha256: each, squares: index === 0 ? 5 : 25 }));
  const table = await writeChunkTable(join(folder, "reduced-1.json"), { chunks });
  const reread = () => rereadReduced({ attempt, self: "A", output }, table);

  expect(await reread()).toEqual({
    kind: "reduced",
    table: { chunks },
    chunks: [
      { sha256: sha256[0], path: output, offset: 0, bytes: 8 },
      { sha256: sha256[1], path: output, offset: 8, bytes: 8 },
    ],
  });
  await writeFile(
    output,
    Uint8Array.from(bytes, (byte, index) => (index === 15 ? byte + 1 : byte)),
  );
  expect(await reread()).toBeNull();
  await writeFile(output, bytes);
  await truncate(output, 12);
  expect(await reread()).toBeNull();
  await rm(output);
  expect(await reread()).toBeNull();
});
