import type { AnswerFault } from "@assay/testing/network/fault-server";
import fc from "fast-check";

/**
 * Faults of the answers for one file, in order: any that cost a request, and at most one that cannot be told from what
 * the server wants to serve.
 */
export function answerFaults(fileBytes: number): fc.Arbitrary<readonly AnswerFault[]> {
  const passing = fc.array(passingFault(fileBytes), { maxLength: 4 });
  const wrong = fc.option(wrongFault(fileBytes), { nil: null, freq: 2 });
  return fc.tuple(passing, wrong, passing).map(([before, one, after]) => [...before, ...(one ? [one] : []), ...after]);
}

function passingFault(fileBytes: number): fc.Arbitrary<AnswerFault> {
  const position = fc.nat({ max: fileBytes });
  const how = fc.constantFrom("end" as const, "end" as const, "end" as const, "reset" as const);
  const lie = fc.constantFrom("begin", "total", "no_header", "bytes");
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("cut" as const), afterBytes: position, how }) },
    { weight: 1, arbitrary: position.map((afterBytes): AnswerFault => ({ kind: "stall", afterBytes })) },
    { weight: 1, arbitrary: fc.nat({ max: 20 }).map((bytes): AnswerFault => ({ kind: "trickle", bytes })) },
    { weight: 2, arbitrary: passingStatus() },
    { weight: 2, arbitrary: fc.constantFrom<AnswerFault>({ kind: "range_ignored" }, { kind: "range_refused" }) },
    { weight: 4, arbitrary: lie.map((which): AnswerFault => ({ kind: "other_range", lie: which })) },
  );
}

function passingStatus(): fc.Arbitrary<AnswerFault> {
  return fc
    .tuple(fc.constantFrom(408, 425, 429, 500, 502, 503, 504), fc.constantFrom("0", "soon", "-1"))
    .map(([status, retryAfter]): AnswerFault => ({ kind: "status", status, retryAfter }));
}

function wrongFault(fileBytes: number): fc.Arbitrary<AnswerFault> {
  return fc.oneof(
    fc.integer({ min: -fileBytes, max: -1 }).map((more): AnswerFault => ({ kind: "length", more })),
    fc.nat().map((at): AnswerFault => ({ kind: "flipped_bit", at })),
    fc.constantFrom<AnswerFault>({ kind: "other_file" }, { kind: "encoded" }, { kind: "length", more: 1 }),
  );
}
