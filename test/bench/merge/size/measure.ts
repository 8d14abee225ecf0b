import { join } from "node:path";
import type { MergePhases } from "./member.ts";
import { processorSeconds } from "./processor-time.ts";
import type { MemoryWatch } from "./resident-memory.ts";
import { settle } from "./settle.ts";
import { ask, type Validator } from "./validators.ts";

/** One cycle's merge, and what it is compared with. */
export interface MeasuredRound {
  readonly gradientsSeconds: number;
  readonly mergeSeconds: number;
  readonly mergeProcessorSeconds: number;
  /** What the one that fetched most did fetch. */
  readonly bytesPerMember: number;
  readonly phases: MergePhases;
  /** Largest resident memory of each watched process in MiB. */
  readonly gradientsPeaks: readonly number[];
  readonly mergePeaks: readonly number[];
  readonly copy: CopyTime;
  readonly copyWithHash: CopyTime;
}

export interface CopyTime {
  /** Until the disk had everything. */
  readonly seconds: number;
  /** Until the kernel had. */
  readonly writtenSeconds: number;
  /** How long processors worked for it. */
  readonly processorSeconds: number;
}

export interface RoundRequest {
  readonly validators: readonly Validator[];
  readonly groupBytes: number;
  readonly memory: MemoryWatch;
  readonly cycle: number;
  readonly timeoutMillis: number;
  /** Whether the copies come before the merge. */
  readonly copiesFirst: boolean;
  /** For {@link settle}. */
  readonly filler: string;
}

/** One cycle: own gradients, then the merge and the copies in turns. */
export async function measureRound(request: RoundRequest): Promise<MeasuredRound> {
  const { validators, memory, cycle, copiesFirst } = request;
  memory.begin();
  const gradients = await fromAll(validators, ({ evaluator }) => ask(evaluator, { kind: "gradients", cycle }));
  const gradientsPeaks = memory.end();
  const before = copiesFirst ? await measureCopies(request) : null;
  const merged = await measureMerge(request);
  const copies = before ?? (await measureCopies(request));
  await fromAll(validators, ({ evaluator }) => ask(evaluator, { kind: "forget", cycle }));
  const gradientsSeconds = Math.max(...gradients.map(({ seconds }) => seconds));
  return { gradientsSeconds, gradientsPeaks, ...merged, ...copies };
}

type MeasuredMerge = Pick<
  MeasuredRound,
  "mergeSeconds" | "mergeProcessorSeconds" | "mergePeaks" | "bytesPerMember" | "phases"
>;

async function measureMerge({
  validators,
  memory,
  cycle,
  timeoutMillis,
  filler,
}: RoundRequest): Promise<MeasuredMerge> {
  const pids = validators.flatMap(({ evaluator, server }) => [evaluator.pid ?? 0, server.pid]);
  await settle({ validators, cycle, filler });
  memory.begin();
  const workedBefore = processorSeconds(pids);
  const startedAt = Date.now();
  const started = performance.now();
  const replies = await fromAll(validators, (validator) => {
    const others = validators.filter((each) => each !== validator);
    const peers = others.map(({ hotkey, server }) => ({ hotkey, url: `http://127.0.0.1:${server.port}` }));
    return ask(validator.evaluator, { kind: "merge", cycle, peers, startedAt, timeoutMillis });
  });
  const mergeSeconds = (performance.now() - started) / 1000;
  const mergeProcessorSeconds = processorSeconds(pids) - workedBefore;
  const mergePeaks = memory.end();
  if (new Set(replies.map(({ digest }) => digest)).size !== 1) throw new Error("The validators' versions differ");
  const bytesPerMember = Math.max(...replies.map(({ fetchedBytes }) => fetchedBytes));
  const phases = slowest(replies.map((reply) => reply.phases));
  return { mergeSeconds, mergeProcessorSeconds, mergePeaks, bytesPerMember, phases };
}

async function measureCopies(request: RoundRequest): Promise<Pick<MeasuredRound, "copy" | "copyWithHash">> {
  const copy = await measureCopy(request, false);
  return { copy, copyWithHash: await measureCopy(request, true) };
}

/** From every validator to every other what the merge takes from it: its part of our share, and its share's averages. */
async function measureCopy(
  { validators, groupBytes, cycle, filler }: RoundRequest,
  withHash: boolean,
): Promise<CopyTime> {
  await settle({ validators, cycle, filler });
  const bytes = Math.round((2 * groupBytes) / validators.length);
  const sources = await fromAll(validators, ({ source, layout }) =>
    ask(source, { path: join(layout.exchangeFolder(cycle), "own", "group-0.f32") }),
  );
  const pids = validators.flatMap(({ source, sink }) => [source.pid ?? 0, sink.pid ?? 0]);
  const workedBefore = processorSeconds(pids);
  const started = performance.now();
  const written = await fromAll(validators, ({ sink, layout }, index) => {
    const ports = sources.filter((_, each) => each !== index).map(({ port }) => port);
    return ask(sink, { kind: "copy", ports, bytes, folder: join(layout.tmp, "copy"), withHash });
  });
  const writtenSeconds = (performance.now() - started) / 1000;
  await fromAll(validators, ({ sink }) => ask(sink, { kind: "sync" }));
  const seconds = (performance.now() - started) / 1000;
  const worked = processorSeconds(pids) - workedBefore;
  await fromAll(validators, ({ sink }) => ask(sink, { kind: "remove" }));
  if (written.some((reply) => reply.bytes !== bytes * (validators.length - 1))) throw new Error("A copy is not whole");
  return { seconds, writtenSeconds, processorSeconds: worked };
}

async function fromAll<Reply>(
  validators: readonly Validator[],
  run: (validator: Validator, index: number) => Promise<Reply>,
): Promise<readonly Reply[]> {
  return await Promise.all(validators.map(run));
}

function slowest(phases: readonly MergePhases[]): MergePhases {
  const longest = (name: keyof MergePhases) => Math.max(...phases.map((each) => each[name]));
  return {
    reduce: longest("reduce"),
    gather: longest("gather"),
    step: longest("step"),
    version: longest("version"),
    agree: longest("agree"),
  };
}
