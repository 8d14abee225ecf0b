import { defineConfig } from "vitest/config";

const resolve = { conditions: ["source"] };
const common = { environment: "node" as const, pool: "forks" as const };

/** Test projects, by what they need: see packages/docs/contributors/testing.md. */
export default defineConfig({
  resolve,
  ssr: { resolve: { conditions: ["source", "node"] } },
  test: {
    tags: [{ name: "gpu", description: "Needs a GPU; skipped with a line that says why where there is none" }],
    projects: [
      {
        extends: true,
        test: { ...common, name: "unit", include: ["packages/*/src/**/*.test.ts", "services/*/src/**/*.test.ts"] },
      },
      {
        extends: true,
        test: {
          ...common,
          name: "service",
          include: ["packages/*/test/**/*.test.ts", "services/*/test/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { ...common, name: "sim", include: ["test/sim/**/*.test.ts"], testTimeout: 60_000 },
      },
      {
        extends: true,
        test: {
          ...common,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          ...common,
          name: "compose",
          include: ["test/compose/**/*.test.ts"],
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
