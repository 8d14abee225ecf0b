const { FAULT_RUNS = "100", FAULT_SEED = "100" } = process.env;

/** How often a suite of random faults runs, and which: `FAULT_RUNS=5000 FAULT_SEED=7` for a longer one over others. */
export const FAULT_OPTIONS: { readonly numRuns: number; readonly seed: number } = {
  numRuns: Number(FAULT_RUNS),
  seed: Number(FAULT_SEED),
};

/** Milliseconds that so many runs may take on a busy machine. */
export const FAULT_TIMEOUT: number = 60_000 + FAULT_OPTIONS.numRuns * 1_000;
