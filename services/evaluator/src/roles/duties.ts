import type { ChainClient } from "@assay/chain/chain-client";
import type { Signer } from "@assay/chain/hotkey";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { Ledger } from "@assay/ledger/ledger";
import { SystemClock } from "@assay/runtime/time/clock";
import { AxonDuty } from "../axon/axon-duty.ts";
import { CommitmentDuty } from "../commitments/commitment-duty.ts";
import { CommitmentRiskDuty } from "../commitments/commitment-risk-duty.ts";
import { axonOf } from "../config.ts";
import { ChainViewDuty } from "../cycle/chain-view-duty.ts";
import type { Duty } from "../cycle/duty.ts";
import { PhaseLogDuty } from "../cycle/phase-log-duty.ts";
import { PlanRoundDuty } from "../cycle/plan-round-duty.ts";
import { StatusLineDuty } from "../cycle/status-line-duty.ts";
import { SubmissionDoor } from "../cycle/submission-door.ts";
import { DownloadDuty } from "../downloads/download-duty.ts";
import { EvaluationDuty } from "../evaluations/evaluation-duty.ts";
import { CatchUpDuty } from "../merging/catch-up/catch-up-duty.ts";
import { PeerFiles } from "../merging/catch-up/peer-files.ts";
import { voiceOf } from "../merging/exchange/signer-voice.ts";
import { MergeDuty } from "../merging/merge-duty.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { CycleDigestsDuty } from "../receipts/cycle-digests-duty.ts";
import { ReceiptCommitmentDuty } from "../receipts/receipt-commitment-duty.ts";
import { ReceiptDuty } from "../receipts/receipt-duty.ts";
import { RetentionDuty } from "../retention/retention-duty.ts";
import { CloseRoundDuty } from "../scores/close-round-duty.ts";
import { HotkeyWatch } from "../signing/hotkey-watch.ts";
import { SessionKeySigner } from "../signing/session-key-signer.ts";
import type { SigningGate } from "../signing/signing-gate.ts";
import { StandingDuty } from "../standing/standing-duty.ts";
import type { Waiting } from "../standing/waiting.ts";
import { VERSION } from "../version.ts";
import { WeightAgeDuty } from "../weights/weight-age-duty.ts";
import { WeightDuty } from "../weights/weight-duty.ts";
import type { Ground } from "./ground.ts";

export interface DutyComponents {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly inbox: Inbox;
  readonly transport: MergeTransport;
  readonly gate: SigningGate;
  readonly waiting: Waiting;
  /** Longest time between two blocks before the chain counts as silent. */
  readonly silenceMillis: number;
  readonly boards: {
    readonly downloads: JobBoard<"downloads">;
    readonly evaluations: JobBoard<"evaluations">;
    readonly weights: JobBoard<"weights">;
  };
}

/** Everything the validator does, in the order of a cycle. */
export function createDuties(ground: Ground, components: DutyComponents): Duty[] {
  const { chain, signer, ledger, store, inbox, boards, gate, waiting, silenceMillis } = components;
  const { config, network, layout, metrics, logger } = ground;
  const { netuid, max_checkpoints_cached: keepVersions } = config;
  const door = new SubmissionDoor(ledger, network);
  const maySign = () => gate.isOpen && !waiting.has("not_registered");
  const sessionKeys = new SessionKeySigner({ signer, inbox, gate });
  const { receipts } = config;
  const kept = { cyclesKept: receipts.cycles_kept, exportDaysKept: receipts.export_days_kept };
  const rules = { netuid, network, weightOfOld: config.score_ema_alpha };
  return [
    new HotkeyWatch({ chain, ledger, gate, waiting, metrics, logger }, { netuid, blocks: config.doppelganger.blocks }),
    new StandingDuty({ chain, waiting, logger }, { netuid }),
    new AxonDuty({ chain, maySign, metrics, logger }, { netuid, axon: axonOf(config) }),
    new ChainViewDuty({ chain, ledger, layout, sessionKeys, clock: new SystemClock() }, { netuid, network }),
    new PhaseLogDuty({ metrics, logger }, network),
    door,
    new PlanRoundDuty({ chain, ledger, store, metrics, logger }, { netuid, network, validatorHotkey: signer.address }),
    new DownloadDuty({ ledger, inbox, downloads: boards.downloads, metrics, logger }),
    new EvaluationDuty({ chain, ledger, inbox, evaluations: boards.evaluations, metrics, logger }, network),
    new CloseRoundDuty({ ledger, inbox, door, metrics, logger }, { network, weightOfOld: config.score_ema_alpha }),
    new ReceiptDuty(
      { chain, signer, ledger, store, clock: new SystemClock(), logger },
      { ...rules, ...kept, code: VERSION },
    ),
    new ReceiptCommitmentDuty({ chain, ledger, maySign, metrics, logger }, { netuid, network }),
    ...mergingDuties(ground, components),
    new CycleDigestsDuty({ signer, ledger, layout, logger }),
    new CommitmentDuty({ chain, signer, ledger, store, maySign, metrics, logger }, { netuid, network }),
    new CommitmentRiskDuty({ chain, ledger, store, metrics, logger }, { netuid, network }),
    new WeightDuty(
      { chain, ledger, layout, weights: boards.weights, metrics, logger },
      { netuid, network, dryRun: config.weights.dry_run },
    ),
    new WeightAgeDuty({ chain, ledger, metrics }, { netuid, silenceMillis }),
    new RetentionDuty({ ledger, store, logger }, { keepVersions }),
    new StatusLineDuty(
      { ledger, inbox, evaluations: boards.evaluations, waiting, layout, logger },
      { network, everyBlocks: config.status_every_blocks },
    ),
  ];
}

/** With the other validators, or after them. */
function mergingDuties(ground: Ground, { chain, signer, ledger, store, inbox, transport }: DutyComponents): Duty[] {
  const { config, network, metrics, logger } = ground;
  const { netuid, downloads } = config;
  const voice = voiceOf(signer);
  const requests = { voice, head: () => chain.head() };
  const peerFiles = new PeerFiles(requests, { allowPrivateAddresses: downloads.allow_private_addresses });
  const components = { chain, voice, transport, ledger, store, metrics, logger };
  return [
    new MergeDuty({ ...components, inbox }, { netuid, network, timeoutMillis: mergeTimeoutMillis(ground) }),
    new CatchUpDuty({ ...components, peerFiles }, { netuid, network }),
  ];
}

function mergeTimeoutMillis({ config, network }: Ground): number {
  return 1000 * (network.merge.timeoutSeconds ?? config.consensus_timeout);
}
