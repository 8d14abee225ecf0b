import { encodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import type { Round } from "@assay/core/round/round";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { SubmissionDoor } from "../src/cycle/submission-door.ts";
import { ReceiptDuty } from "../src/receipts/receipt-duty.ts";
import { CloseRoundDuty } from "../src/scores/close-round-duty.ts";
import { fileHash, onRoster, saveRound, scored } from "./rounds.ts";
import { NETUID, type Player, type Stage } from "./stage.ts";

function signedEntry(player: Player) {
  const entry = onRoster(player, player.uid - 1);
  const signature = encodeBase64Url(player.signer.sign(committedHashMessage(fileHash(player.uid))));
  return { ...entry, commitment: { hash: fileHash(player.uid), signature, block: 25 } };
}

/** A round of which miner 1 was measured, miner 2 failed at our hands, and miner 3 never came. */
export async function closeRound(stage: Stage, cycle = 0): Promise<Round> {
  const { ledger, chain, client, inbox, metrics, logger, network } = stage;
  const roster = [
    signedEntry(stage.miner(1)),
    { ...signedEntry(stage.miner(2)), group: 1 },
    { ...signedEntry(stage.miner(3)), group: 0 },
  ];
  const round = await saveRound(stage, cycle, { roster });
  for (let block = round.submissionFirst; block <= round.submissionLast; block += 1) {
    await ledger.steps.mark(cycle, `door-open-${block}`, { block });
  }
  chain.buildUntil(round.evaluationDeadline + 1);
  const hash = await client.finalizedBlockHash(round.seedBlock);
  await ledger.rounds.setSeed(round.id, roundSeed(combinedSeed(new Map()), hash ?? ""));
  for (const uid of [1, 2]) {
    const { hotkey } = stage.miner(uid);
    const file = { path: "", sha256: fileHash(uid), bytes: 9 };
    await ledger.submissions.record({ kind: "accepted", roundId: round.id, uid, hotkey, ...file });
  }
  await ledger.evaluations.record(scored(round, stage.miner(1), [4.321, 3.512]));
  const failure = { code: "EVALUATOR_EVALUATION_FAILED", message: "/a/path of ours" };
  await ledger.evaluations.record({
    kind: "failed",
    roundId: round.id,
    uid: 2,
    hotkey: stage.miner(2).hotkey,
    ...failure,
  });
  const door = new SubmissionDoor(ledger, network);
  await new CloseRoundDuty({ ledger, inbox, door, metrics, logger }, { network, weightOfOld: 0.9 }).run(client.head());
  return round;
}

/** A new duty that writes receipts, as after a restart. */
export function writer(
  { client, validator, ledger, store, logger, network }: Stage,
  at = Date.UTC(2026, 10, 21, 23, 30),
  cyclesKept = 9,
) {
  const clock = new FakeClock(at);
  const components = { chain: client, signer: validator.signer, ledger, store, clock, logger };
  const options = { netuid: NETUID, network, weightOfOld: 0.9, code: "0.1.0", cyclesKept, exportDaysKept: 1 };
  const duty = new ReceiptDuty(components, options);
  return () => duty.run();
}
