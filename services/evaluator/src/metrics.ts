import { AgeGauge } from "@assay/runtime/metrics/age-gauge";
import { FreshGauge } from "@assay/runtime/metrics/fresh-gauge";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Everything the evaluator measures, in the order a cycle passes through it. */
export function createEvaluatorMetrics(registry: Registry) {
  const registers = [registry];
  return {
    block: new Gauge({ name: "evaluator_chain_block", help: "Newest block seen", registers }),
    chainHeadAge: new AgeGauge({
      name: "evaluator_chain_head_age_seconds",
      help: "Time since the chain last had a new block for us; absent before the first",
      registers,
    }),
    chainEndpoint: new Gauge({
      name: "evaluator_chain_endpoint_connected",
      help: "1 for the endpoint in use of each list (light, archive); no series while there is none",
      labelNames: ["list", "endpoint"],
      registers,
    }),
    chainReconnects: new Counter({
      name: "evaluator_chain_reconnects_total",
      help: "Connections to the chain that ended or could not be opened, by cause",
      labelNames: ["list", "cause"],
      registers,
    }),
    waiting: new Gauge({
      name: "evaluator_waiting",
      help: "1 for each thing that the validator waits for; no series while it waits for nothing",
      labelNames: ["reason"],
      registers,
    }),
    foreignActivity: new Counter({
      name: "evaluator_foreign_activity_total",
      help: "What was done with our hotkey and not by us: extrinsics, weights, commitments",
      labelNames: ["what"],
      registers,
    }),
    phase: new Gauge({
      name: "evaluator_phase_index",
      help: "Running phase, 0 distribute to 8 validatorCommit2",
      registers,
    }),
    phaseLateness: new Histogram({
      name: "evaluator_phase_start_lateness_seconds",
      help: "Time between a phase's first block and this service acting on it, by the chain's block time",
      buckets: [1, 3, 6, 12, 24, 60], // one block is 12 s; more than two is a missed phase in the making
      registers,
    }),
    dutySeconds: new Histogram({
      name: "evaluator_duty_seconds",
      help: "Time one run of a duty took",
      labelNames: ["duty"],
      buckets: [0.01, 0.1, 1, 6, 12, 60, 600], // up to a block: 12 s; a large merge may take minutes
      registers,
    }),
    dutyFailures: new Counter({
      name: "evaluator_duty_failures_total",
      help: "Runs of a duty that failed, by error code",
      labelNames: ["duty", "code"],
      registers,
    }),
    roundsOpen: new Gauge({ name: "evaluator_rounds_open", help: "Rounds planned and not closed", registers }),
    unusableCommitments: new Gauge({
      name: "evaluator_unusable_commitments",
      help: "Strangers' commitments at the newest planned round that say nothing a validator could use, by reason",
      labelNames: ["reason"],
      registers,
    }),
    submissionsPerCycle: unknownAtFirst(
      new Gauge({
        name: "eval_submissions_per_cycle",
        help: "Miners whose submission arrived in the newest round (published name eval/submissions_per_cycle)",
        registers,
      }),
    ),
    downloads: new Counter({
      name: "evaluator_downloads_total",
      help: "Submissions fetched and inspected, by outcome",
      labelNames: ["kind", "reason"],
      registers,
    }),
    evaluationConcurrency: unknownAtFirst(
      new Gauge({
        name: "evaluator_evaluation_concurrency",
        help: "Evaluations that the connected workers run side by side, at the newest forecast; absent while unknown",
        registers,
      }),
    ),
    roundSubmissionsForecast: unknownAtFirst(
      new Gauge({
        name: "evaluator_round_submissions_forecast",
        help: "Submissions of the newest round expected to be measured by its deadline; absent while unknown",
        registers,
      }),
    ),
    roundSubmissionsEvaluated: new Gauge({
      name: "evaluator_round_submissions_evaluated",
      help: "Submissions of the newest round that were measured so far",
      registers,
    }),
    roundSecondsForecast: unknownAtFirst(
      new Gauge({
        name: "evaluator_round_evaluation_seconds_forecast",
        help: "Expected time on devices of all measurements of the newest round; absent while unknown",
        registers,
      }),
    ),
    roundSecondsEvaluated: new Gauge({
      name: "evaluator_round_evaluation_seconds",
      help: "Time on devices of the newest round's measurements so far",
      registers,
    }),
    evaluations: new Counter({
      name: "evaluator_evaluations_total",
      help: "Evaluations, by outcome; the reason is a rejection's, or a failure's code",
      labelNames: ["kind", "reason"],
      registers,
    }),
    evaluationSeconds: new Histogram({
      name: "evaluator_evaluation_seconds",
      help: "Time to measure one submission",
      buckets: [0.1, 0.5, 1, 5, 15, 60, 120, 300], // a tiny model on a CPU up to the default limit of a large one
      registers,
    }),
    textConflicts: new Counter({
      name: "evaluator_text_conflicts_total",
      help: "Rounds in which one group was measured on different held-out text",
      registers,
    }),
    averageW: unknownAtFirst(
      new Gauge({
        name: "eval_avg_w_i",
        help: "Mean w_i of the newest closed round over measured miners (published name eval/avg_w_i)",
        registers,
      }),
    ),
    merges: new Counter({
      name: "evaluator_merges_total",
      help: "Merges, by result",
      labelNames: ["result"],
      registers,
    }),
    mergeSeconds: new Histogram({
      name: "evaluator_merge_seconds",
      help: "Time that merges with other validators took, from their first block on",
      buckets: [1, 2, 5, 10, 20, 30, 45, 60, 120],
      registers,
    }),
    leftOutOfMerges: new Counter({
      name: "evaluator_merge_left_out_total",
      help: "Validators that a merge went on without, by reason",
      labelNames: ["reason"],
      registers,
    }),
    disagreements: new Counter({
      name: "consensus_disagreements_total",
      help: "Cycles in which several validators could merge and we did not end with what all members have, by cause",
      labelNames: ["cause"],
      registers,
    }),
    catchUps: new Counter({
      name: "evaluator_catch_ups_total",
      help: "Cycles whose version the others had and we not, by result: caught_up, or why not before the next merge",
      labelNames: ["result"],
      registers,
    }),
    uploadedVersion: unknownAtFirst(
      new Gauge({
        name: "evaluator_uploaded_version",
        help: "Newest version of the model that lies whole in the object store",
        registers,
      }),
    ),
    uploadedBytes: new Counter({
      name: "evaluator_uploaded_bytes_total",
      help: "Bytes of the model that the object store took, or had of an upload that was cut",
      registers,
    }),
    uploadFailures: new Counter({
      name: "evaluator_upload_failures_total",
      help: "Uploads to the object store that failed and are tried again, by error code",
      labelNames: ["code"],
      registers,
    }),
    agreementRate: unknownAtFirst(
      new Gauge({
        name: "consensus_agreement_rate",
        help: "Share of the newest 100 cycles with two or more members in which all ended with the same version (published name consensus/agreement_rate)",
        registers,
      }),
    ),
    commitments: new Counter({
      name: "evaluator_commitments_total",
      help: "Our own commitments, by result: committed (read back) or missed (their phase is over)",
      labelNames: ["step", "result"],
      registers,
    }),
    commitmentAtRisk: new Gauge({
      name: "evaluator_commitment_at_risk",
      help: "1 while the open phase of one of our commitments ends soon and the commitment is not final, else 0",
      registers,
    }),
    axonCalls: new Counter({
      name: "evaluator_axon_calls_total",
      help: "Calls that put our axon on chain, by result: served (read back) or rate_limited (asked again later)",
      labelNames: ["result"],
      registers,
    }),
    setWeights: new Counter({
      name: "chain_set_weights_total",
      help: "Weight intents that ended, by result",
      labelNames: ["result"],
      registers,
    }),
    weightsBlocked: new Counter({
      name: "chain_weights_blocked_total",
      help: "Times that something began to stand in the way of weights, by reason; nothing is sent meanwhile",
      labelNames: ["reason"],
      registers,
    }),
    weightsStopped: new Gauge({
      name: "chain_weights_stopped",
      help: "1 while an operator's stop keeps weights from being signed, else 0",
      registers,
    }),
    setWeightsSuccess: new Gauge({
      name: "chain_set_weights_success",
      help: "1 when the newest weights were read back from the chain as intended, else 0, also while they wait for a slot of the hotkey (published name chain/set_weights_success)",
      registers,
    }),
    temposSinceVerifiedWeights: new FreshGauge({
      name: "evaluator_tempos_since_verified_weights",
      help: "Epochs of the subnet that began since the block of the newest weights read back as intended; absent before the first, and while the chain is silent",
      registers,
    }),
  };
}
export type EvaluatorMetrics = ReturnType<typeof createEvaluatorMetrics>;

/** Without its first 0, which would look like a measured one. */
function unknownAtFirst(gauge: Gauge): Gauge {
  gauge.remove();
  return gauge;
}
