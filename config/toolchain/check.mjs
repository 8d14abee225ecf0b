// The static checks, all of them even when one fails. usage: npm run check
import { spawnSync } from "node:child_process";

const CHECKS = [
  ["format and lint", "pnpm", ["exec", "biome", "check", "."]],
  ["types", "pnpm", ["exec", "tsc", "-p", "config/toolchain/tsconfig.json"]],
  // What images are built from: it demands types of everything that a package exports.
  ["compiled packages", "pnpm", ["run", "build"]],
  ["boundaries", "node", ["config/toolchain/check-boundaries.mjs"]],
  ["unused code", "pnpm", ["exec", "knip", "--config", ".knip.jsonc"]],
  ["sizes", "node", ["config/toolchain/check-sizes.mjs"]],
  ["generated references", "node", ["config/toolchain/check-references.mjs"]],
];

let failed = 0;
for (const [label, program, args] of CHECKS) {
  const started = Date.now();
  const result = spawnSync(program, args, { encoding: "utf8" });
  const ok = result.status === 0;
  process.stdout.write(`${ok ? "ok  " : "FAIL"} ${label} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
  if (!ok) {
    failed += 1;
    process.stdout.write(`${result.stdout}${result.stderr}\n`);
  }
}
process.exit(failed === 0 ? 0 : 1);
