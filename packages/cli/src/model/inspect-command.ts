import type { Command } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { type EvaluationSize, estimateMemory, estimateTime } from "./estimate.ts";
import { CUT_OPTIONS, expertCut } from "./expert-cut.ts";
import { inspectModel } from "./inspect-model.ts";
import { renderInspection } from "./render-inspection.ts";

/** As on the main network. */
const SEQUENCES = 400;
const SEQUENCE_LENGTH = 1024;

export const inspectCommand: Command = {
  summary: "Say what a model is, how it is cut into groups, and what evaluating it takes on this machine.",
  operands: ["PATH"],
  options: {
    ...CUT_OPTIONS,
    sequences: { value: "N", doc: `held-out sequences per submission (the network's, else ${SEQUENCES})` },
    "sequence-length": { value: "N", doc: `tokens per sequence (the network's, else ${SEQUENCE_LENGTH})` },
    threads: { value: "N", doc: "threads of one worker (1)" },
    "no-measure": { doc: "do not measure this machine's speed: no estimate of time" },
  },
  notes: `PATH is a Hugging Face folder or a version of a checkpoint directory; only headers are read.
Memory and time are estimates. Exit code 1: the model cannot be evaluated, and the output says why.`,
  async run({ operands: [path = ""], options }, { progress, signal }) {
    const { groups, network } = await expertCut(options);
    const size = evaluationSize(options, network?.evaluation);
    const { inspection, model } = await inspectModel(path, groups);
    const memory = model === null ? null : estimateMemory(model, size);
    const measures = model !== null && !options.flag("no-measure");
    if (measures) progress("Measuring this machine's speed (a second or two)");
    const time = measures ? await estimateTime(model, size, signal) : null;
    const json = { ...inspection, memory, time };
    return { json, text: renderInspection(json), exitCode: model === null ? 1 : 0 };
  },
};

function evaluationSize(
  options: CommandOptions,
  network: Omit<EvaluationSize, "threads"> = { sequences: SEQUENCES, sequenceLength: SEQUENCE_LENGTH },
): EvaluationSize {
  return {
    sequences: options.wholeNumber("sequences", { minimum: 1 }) ?? network.sequences,
    sequenceLength: options.wholeNumber("sequence-length", { minimum: 1 }) ?? network.sequenceLength,
    threads: options.wholeNumber("threads", { minimum: 1, maximum: 1024 }) ?? 1,
  };
}
