import { expect, test } from "vitest";
import { childEnvironment } from "./environment.ts";
import { moduleUrl } from "./module-url.ts";

test("a child inherits the allow-list alone, and no secret that hides in it", () => {
  const parent = {
    PATH: "/bin",
    HOME: "/root",
    NODE_ENV: "test",
    NODE_AUTH_TOKEN: "npm secret",
    NODE_CHANNEL_FD: "3",
    CUDA_VISIBLE_DEVICES: "0",
    VK_ICD_FILENAMES: "/icd.json",
    LD_LIBRARY_PATH: "/lib",
    HOTKEY_URI: "//Alice",
    BZ_AUTH_TOKEN: "token",
    MY_PATH: "no",
  };
  expect(childEnvironment(parent, { OMP_NUM_THREADS: "1" })).toEqual({
    PATH: "/bin",
    HOME: "/root",
    NODE_ENV: "test",
    CUDA_VISIBLE_DEVICES: "0",
    VK_ICD_FILENAMES: "/icd.json",
    LD_LIBRARY_PATH: "/lib",
    OMP_NUM_THREADS: "1",
  });
});

test.each([
  ["file:///app/src/host.ts", "file:///app/src/child/entry.ts"],
  ["file:///app/dist/host.js", "file:///app/dist/child/entry.js"],
])("a module beside %s is %s", (base, expected) => {
  expect(moduleUrl(base, "./child/entry").href).toBe(expected);
});
