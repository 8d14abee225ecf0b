/** The seed's metrics have slashes in their names, which Prometheus forbids. Both names mean the same series. */
export const PUBLISHED_NAMES: Readonly<Record<string, string>> = {
  eval_submissions_per_cycle: "eval/submissions_per_cycle",
  eval_avg_w_i: "eval/avg_w_i",
  chain_set_weights_success: "chain/set_weights_success",
  consensus_agreement_rate: "consensus/agreement_rate",
};
