import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Bounded: paths are the declared ones or `other`, statuses and outcomes go together. */
const OF_REQUESTS = ["endpoint", "status", "outcome"] as const;

/** Everything the model server measures, in the order a request passes through it. */
export function createModelServerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: "model_server_requests_total",
      help: "Requests that are over, by endpoint, status and outcome: served, accepted, duplicate, how it was cut, or a refusal code",
      labelNames: OF_REQUESTS,
      registers,
    }),
    requestSeconds: new Histogram({
      name: "model_server_request_duration_seconds",
      help: "Time from a request's headers to the end of its reply, the wait for a slot included",
      labelNames: OF_REQUESTS,
      buckets: [0.005, 0.05, 0.5, 5, 15, 60, 300, 1800], // a refusal takes milliseconds, a whole model minutes, an hour at most
      registers,
    }),
    requestsInFlight: new Gauge({
      name: "model_server_requests_in_flight",
      help: "Requests being answered",
      registers,
    }),
    connectionsRefused: new Counter({
      name: "model_server_connections_refused_total",
      help: "Connections ended unread, by the limit that they were beyond: of one address, or in total",
      labelNames: ["limit"],
      registers,
    }),
    sessions: new Counter({
      name: "model_server_sessions_total",
      help: "Encrypted sessions that are over: closed, or the code of what broke them",
      labelNames: ["outcome"],
      registers,
    }),
    transfersInFlight: new Gauge({
      name: "model_server_transfers_in_flight",
      help: "Transfers that hold a slot, by direction",
      labelNames: ["direction"],
      registers,
    }),
    transfersWaiting: new Gauge({
      name: "model_server_transfers_waiting",
      help: "Transfers that wait for a slot",
      registers,
    }),
    transferWaitSeconds: new Histogram({
      name: "model_server_transfer_wait_seconds",
      help: "Time that a transfer waited for its slot, or until it was turned away",
      buckets: [0.005, 0.1, 1, 5, 20], // at once, or up to transfers.max_wait_seconds
      registers,
    }),
    transfersPaced: new Gauge({
      name: "model_server_transfers_paced",
      help: "Transfers that wait for their share of the bandwidth",
      registers,
    }),
    transfersCut: new Counter({
      name: "model_server_transfers_cut_total",
      help: "Transfers cut by the server, by reason; those cut by the client are requests of outcome cut_by_client",
      labelNames: ["reason"],
      registers,
    }),
    sentBytes: new Counter({
      name: "model_server_sent_bytes_total",
      help: "Bytes of replies' bodies, of cut ones what the operating system took",
      labelNames: OF_REQUESTS,
      registers,
    }),
    handedOverBytes: new Counter({
      name: "model_server_model_handed_over_bytes_total",
      help: "Bytes of model files that nginx or an object store was left to send, by endpoint; taken or not",
      labelNames: ["endpoint", "to"],
      registers,
    }),
    receivedBytes: new Counter({
      name: "model_server_received_bytes_total",
      help: "Bytes of uploads, kept or not",
      labelNames: OF_REQUESTS,
      registers,
    }),
    submissions: new Counter({
      name: "model_server_submissions_total",
      help: "Submissions by how they came and what became of them",
      labelNames: ["source", "result"],
      registers,
    }),
    downloadHintFailures: new Counter({
      name: "model_server_download_hint_failures_total",
      help: "Download jobs that could not be queued; the evaluator finds those submissions in the inbox",
      registers,
    }),
    chainViewAge: new Gauge({
      name: "model_server_chain_view_age_seconds",
      help: "Age of the evaluator's view of the chain",
      registers,
    }),
    modelVersion: new Gauge({
      name: "model_server_model_version",
      help: "Version of the global model that is served; -1 while none is",
      registers,
    }),
  };
}
export type ModelServerMetrics = ReturnType<typeof createModelServerMetrics>;
