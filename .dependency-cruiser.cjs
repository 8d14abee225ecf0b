// The import rules of the architecture, one rule each. Run by config/toolchain/check-boundaries.mjs.
const test = "[.]test[.]ts$|^(packages|services)/[^/]+/test/|^test/";

/** An import that must not exist. `from` and `to` are conditions on resolved paths. */
const rule = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });

/** A package may see only the workspace packages listed (and itself). */
const layer = (name, path, allowed) =>
  rule(
    name,
    `${path} may import of our packages only ${allowed.join(", ") || "none"}.`,
    { path: `^${path}/`, pathNot: test },
    { path: "^packages/", pathNot: [path, ...allowed.map((each) => `packages/${each}`)].map((each) => `^${each}/`) },
  );

module.exports = {
  forbidden: [
    rule(
      "core-is-pure",
      "The rules have no I/O: core imports only zod, @noble/hashes and itself.",
      { path: "^packages/core/src/", pathNot: test },
      { pathNot: "^packages/core/src/|node_modules/(zod|@noble/hashes)/" },
    ),
    layer("core-is-the-bottom", "packages/core", []),
    layer("runtime-knows-no-product", "packages/runtime", ["core"]),
    layer("chain-sees-core-and-runtime", "packages/chain", ["core", "runtime"]),
    layer("checkpoint-sees-core-and-runtime", "packages/checkpoint", ["core", "runtime"]),
    layer("ledger-sees-core-and-runtime", "packages/ledger", ["core", "runtime"]),
    layer("evaluation-sees-checkpoint-too", "packages/evaluation", ["core", "runtime", "checkpoint"]),
    layer("the-command-sees-all-but-tests", "packages/cli", [
      "core",
      "runtime",
      "chain",
      "checkpoint",
      "evaluation",
      "ledger",
    ]),
    rule(
      "nobody-imports-the-command",
      "What the command and a service share belongs into a package below both.",
      { pathNot: "^packages/cli/" },
      { path: "^packages/cli/" },
    ),
    rule(
      "chain-and-checkpoint-are-strangers",
      "Bytes on disk and facts on chain meet in a service, tests included.",
      { path: "^packages/(chain|checkpoint)/" },
      { path: "^packages/(chain|checkpoint)/", pathNot: "^packages/$1/" },
    ),
    rule(
      "packages-know-no-service",
      "Services are composed of packages, never the other way round.",
      { path: "^packages/", pathNot: test },
      { path: "^services/" },
    ),
    rule(
      "services-are-strangers",
      "Services share files, queues and the chain; never code of their own.",
      { path: "^services/([^/]+)/" },
      { path: "^services/", pathNot: "^services/$1/" },
    ),
    rule(
      "public-edge-has-no-keys-or-gpu",
      "The process that faces the internet has no key, no device and no memory by construction.",
      { path: "^services/model-server/" },
      { path: "^packages/(chain|evaluation|ledger)/" },
    ),
    layer("public-edge-sees-three-packages", "services/model-server", ["core", "runtime", "checkpoint"]),
    rule(
      "only-main-composes",
      "The composition root is loaded by the entry file and by nothing else.",
      { path: "^services/", pathNot: [test, "^services/[^/]+/src/main[.]ts$"] },
      { path: "^services/[^/]+/src/compose[.]ts$" },
    ),
    rule(
      "test-parts-stay-in-tests",
      "testing and localnet are for tests and for localnet's own processes.",
      { path: "^(packages|services)/", pathNot: [test, "^packages/(testing|localnet)/"] },
      { path: "^packages/(testing|localnet)/" },
    ),
    rule(
      "tests-are-not-imported",
      "What two tests share belongs into packages/testing or test/helpers.",
      { pathNot: test },
      { path: test },
    ),
    rule("no-cycles", "Two files that import each other are one file.", {}, { circular: true }),
    rule("everything-resolves", "An import that was not found was not checked either.", {}, { couldNotResolve: true }),
  ],
  options: {
    tsConfig: { fileName: "config/toolchain/tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/dist/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node"],
    },
  },
};
