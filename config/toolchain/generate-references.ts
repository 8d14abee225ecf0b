// Writes what operators look up straight from the code: packages/docs/reference/* and the two commented sample
// configurations; and the code that is assembled from a text. Run by check-references.mjs, which compares; to write, run
// it yourself:
// usage: node --conditions=source config/toolchain/generate-references.ts [FOLDER]   FOLDER: the repository by default
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  evaluatorReference,
  evaluatorSample,
  modelServerReference,
  modelServerSample,
  sampleProblems,
} from "./references/config.ts";
import { errorReference } from "./references/errors.ts";
import { evaluationBackendReference } from "./references/evaluation-backend.ts";
import { httpReference, openApiReference } from "./references/http.ts";
import { metricsReference } from "./references/metrics.ts";
import { networksReference } from "./references/networks.ts";
import { vectorLoopsCode } from "./references/vector-loops.ts";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));

/** Every generated file by its path in the repository. */
const FILES: Readonly<Record<string, () => string | Promise<string>>> = {
  "config/evaluator.yaml": evaluatorSample,
  "config/model-server.yaml": modelServerSample,
  "packages/core/src/merging/vectors/loops-code.ts": () => vectorLoopsCode(REPOSITORY),
  "packages/docs/reference/config-evaluator.md": evaluatorReference,
  "packages/docs/reference/config-model-server.md": modelServerReference,
  "packages/docs/reference/errors.md": () => errorReference(REPOSITORY),
  "packages/docs/reference/evaluation-backend.md": evaluationBackendReference,
  "packages/docs/reference/http.md": httpReference,
  "packages/docs/reference/metrics.md": metricsReference,
  "packages/docs/reference/openapi.json": openApiReference,
  "packages/docs/reference/networks.md": () => networksReference(REPOSITORY),
};

const target = resolve(process.argv[2] ?? REPOSITORY);
for (const [path, render] of Object.entries(FILES)) {
  const file = join(target, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await render());
}
const problems = sampleProblems(join(target, "config/evaluator.yaml"), join(target, "config/model-server.yaml"));
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exit(1);
process.stdout.write(`${Object.keys(FILES).length} files written\n`);
