import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { readExpertGroups } from "./assignment-files.ts";
import { assignExperts } from "./expert-groups.ts";

const EXAMPLES = fileURLToPath(new URL("../../../../config/expert-groups", import.meta.url));

test("the example's files cut the local network's model as a number of groups does", async () => {
  const files = [0, 1, 2, 3].map((group) => [group, `localnet/group-${group}.json`]);
  const groups = await readExpertGroups({ assignments: Object.fromEntries(files), unassigned: "refuse" }, EXAMPLES);
  const layers = new Map([
    [0, 8],
    [1, 8],
  ]);
  expect(assignExperts(layers, groups)).toEqual(assignExperts(layers, 4));
  expect(await readExpertGroups(4, EXAMPLES)).toBe(4);
});

test.each([
  ["is not there", null],
  ["is not JSON", "{"],
  ["is no assignment", '{"0": [1]}'],
])("a file that %s is named", async (_how, content) => {
  const folder = await temporaryFolder();
  const path = join(folder, "group.json");
  if (content !== null) await writeFile(path, content);
  const reading = readExpertGroups({ assignments: { "0": "group.json" }, unassigned: "freeze" }, folder);
  await expect(reading).rejects.toMatchObject({ code: "CHECKPOINT_ASSIGNMENT_INVALID", fields: { path } });
});
