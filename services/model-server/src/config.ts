import { objectStoreProblems, objectStoreSchema } from "@assay/checkpoint/object-store/object-store-options";
import { PHASES, type Phase } from "@assay/core/cycle/phase";
import type { ConfigProblem } from "@assay/runtime/config/config-error";
import type { ConfigSchema, ConfigValues } from "@assay/runtime/config/schema";
import { LOG_LEVELS, type LogLevel } from "@assay/runtime/logging/log-record";
import { LOG_FORMATS, type LogFormat } from "@assay/runtime/logging/render";
import { limitProblems } from "./limits/limit-problems.ts";
import { ModelServerErrorCode } from "./model-server-error.ts";
import { OFFLOAD_KINDS } from "./offload/offload.ts";

const EVALUATORS = "Read by the evaluator; known here so that both services can share one file.";

/** Everything an operator can set, in the words of the published keys where one exists. */
export const modelServerSchema = {
  model_path: {
    doc: "Folder of the base model. Imported by the evaluator; here only named in the log.",
    format: String,
    default: "./models/Qwen3-VL-30B-Instruct",
    env: "MODEL_PATH",
  },
  chain_endpoint: { doc: EVALUATORS, format: String, default: "wss://entrypoint-finney.opentensor.ai:443" },
  netuid: { doc: EVALUATORS, format: "nat", default: 42 },
  wallet: {
    name: { doc: EVALUATORS, format: String, default: "my-wallet" },
    hotkey: { doc: EVALUATORS, format: String, default: "my-validator-hotkey" },
  },
  eval_dataset_path: { doc: EVALUATORS, format: String, default: "/data/validation/held-out.jsonl" },
  eval_batch_size: { doc: EVALUATORS, format: "nat", default: 8 },
  score_ema_alpha: { doc: EVALUATORS, format: Number, default: 0.9 },
  consensus_timeout: { doc: EVALUATORS, format: "nat", default: 60 },
  axon: {
    external_ip: { doc: EVALUATORS, format: String, default: "" },
    external_port: { doc: EVALUATORS, format: "port", default: 0 },
  },
  max_checkpoints_cached: { doc: EVALUATORS, format: "nat", default: 50 },
  auth_token: {
    doc: "Bearer token of every endpoint but health. From the environment only; nothing starts without it.",
    format: String,
    default: "",
    env: "BZ_AUTH_TOKEN",
    sensitive: true,
    environmentOnly: true,
  },
  server_host: {
    doc: "Address the model server listens on. Other than loopback it needs `tls`, or `allow_plain_http`.",
    format: String,
    default: "0.0.0.0",
    env: "SERVER_HOST",
  },
  server_port: {
    doc: "Port the model server listens on; 0 picks a free one.",
    format: "port",
    default: 8080,
    env: "SERVER_PORT",
  },
  checkpoint_cache_dir: {
    doc: "Checkpoint directory shared with the evaluator. Only read, but for uploads.",
    format: String,
    default: "./validator-cache",
    env: "CHECKPOINT_CACHE_DIR",
  },
  inbox_dir: {
    doc: "Where uploads go, when that is another volume than the checkpoint directory's `inbox`.",
    format: String,
    default: "",
    env: "INBOX_DIR",
  },
  inbox_reserve_bytes: {
    doc: "Free bytes that uploads leave on the inbox's volume; one that needs them is refused with 507 before its body.",
    format: "nat",
    default: 256 * 1024 ** 2,
    env: "INBOX_RESERVE_BYTES",
  },
  inbox_rounds_kept: {
    doc: "Rounds whose submissions stay in the inbox. Older ones are deleted; the evaluator has its own copies.",
    format: "nat",
    default: 8,
    env: "INBOX_ROUNDS_KEPT",
  },
  chain_view: {
    max_age_seconds: {
      doc: "When the evaluator's view of the chain is older, every endpoint but health answers 503. About five blocks.",
      format: Number,
      default: 60,
      env: "CHAIN_VIEW_MAX_AGE_SECONDS",
    },
  },
  serve_phases: {
    doc: "Phases in which miners may download their part of the model.",
    format: Array,
    default: ["distribute", "train"] as Phase[],
    env: "SERVE_PHASES",
  },
  allow_context: {
    doc: "Also give miners the whole model (`part=context`). Costs a model's size per miner and cycle.",
    format: Boolean,
    default: false,
    env: "ALLOW_CONTEXT",
  },
  max_submission_bytes: {
    doc: "Longest upload in bytes. What the group's tensors can need at most is the limit where that is less.",
    format: "nat",
    default: 8 * 1024 ** 3,
    env: "MAX_SUBMISSION_BYTES",
  },
  upload_deadline_seconds: {
    doc: "Longest time for one upload.",
    format: "nat",
    default: 300,
    env: "UPLOAD_DEADLINE_SECONDS",
  },
  upload_min_bytes_per_second: {
    doc: "Least rate of an upload over ten seconds; a slower one is cut off. 0 for none.",
    format: "nat",
    default: 32 * 1024,
    env: "UPLOAD_MIN_BYTES_PER_SECOND",
  },
  request_window_blocks: {
    doc: "How many blocks back the signed block of a validator's request may lie.",
    format: "nat",
    default: 10,
    env: "REQUEST_WINDOW_BLOCKS",
  },
  tls: {
    certificate: {
      doc: "PEM file with the certificate and its chain, to speak TLS without a proxy. Read again when it changes.",
      format: String,
      default: "",
      env: "TLS_CERTIFICATE",
    },
    key: { doc: "PEM file with the certificate's key.", format: String, default: "", env: "TLS_KEY" },
  },
  allow_plain_http: {
    doc: "Speak plain HTTP on an address that others reach: for a proxy with TLS, or a network of your own.",
    format: Boolean,
    default: false,
    env: "ALLOW_PLAIN_HTTP",
  },
  trusted_proxies: {
    doc: "Addresses or CIDR ranges of your own proxies. `X-Forwarded-For` of anybody else is ignored.",
    format: Array,
    default: [] as string[],
    env: "TRUSTED_PROXIES",
  },
  rate_limit: {
    requests: {
      doc: "Requests of one address, and of one hotkey that signs, in a window; 429 beyond. Health is not counted.",
      format: "nat",
      default: 150,
      env: "RATE_LIMIT_REQUESTS",
    },
    window_seconds: { doc: "The window.", format: "nat", default: 30, env: "RATE_LIMIT_WINDOW_SECONDS" },
  },
  offload: {
    kind: {
      doc: "Who sends large files once a request was judged here: none (this server), nginx, s3 (`object_store`).",
      format: [...OFFLOAD_KINDS],
      default: "none" as (typeof OFFLOAD_KINDS)[number],
      env: "OFFLOAD_KIND",
    },
    nginx: {
      folder: {
        doc: "Folder of this server's own where files are written for nginx, which reads them; another one than any above.",
        format: String,
        default: "./offload",
        env: "OFFLOAD_NGINX_FOLDER",
      },
      max_bytes: {
        doc: "All of these files together; what does not fit is sent by this server. 0 for no limit.",
        format: "nat",
        default: 0,
        env: "OFFLOAD_NGINX_MAX_BYTES",
      },
      reserve_bytes: {
        doc: "Free bytes that these files leave on their volume.",
        format: "nat",
        default: 1024 ** 3,
        env: "OFFLOAD_NGINX_RESERVE_BYTES",
      },
    },
    presign_seconds: {
      doc: "How long a signed URL to the object store may be used to begin a download.",
      format: "nat",
      default: 900,
      env: "OFFLOAD_PRESIGN_SECONDS",
    },
  },
  object_store: objectStoreSchema,
  transfers: {
    max_in_flight: {
      doc: "Downloads and uploads at a time. Others wait.",
      format: "nat",
      default: 64,
      env: "TRANSFERS_MAX_IN_FLIGHT",
    },
    max_per_hotkey: { doc: "Of these, of one hotkey; as many more may wait.", format: "nat", default: 4 },
    max_per_address: {
      doc: "Of these, of one address (IPv6: of one /64); as many more may wait.",
      format: "nat",
      default: 32,
      env: "TRANSFERS_MAX_PER_ADDRESS",
    },
    max_waiting: { doc: "Transfers that wait; 503 beyond.", format: "nat", default: 128 },
    max_wait_seconds: { doc: "Longest wait; then 503.", format: "nat", default: 20 },
    min_bytes_per_second: {
      doc: "A client that takes less while bytes lie ready, over 30 s, is cut, and may resume.",
      format: "nat",
      default: 64 * 1024,
      env: "TRANSFERS_MIN_BYTES_PER_SECOND",
    },
    max_bytes_per_second: {
      doc: "Most that one download or upload moves; 0 for no limit. Leave it time: max_seconds, upload_deadline_seconds.",
      format: "nat",
      default: 0,
      env: "TRANSFERS_MAX_BYTES_PER_SECOND",
    },
    max_total_bytes_per_second: {
      doc: "Most that all transfers move together, in equal shares for those that can take more; 0 for no limit.",
      format: "nat",
      default: 0,
      env: "TRANSFERS_MAX_TOTAL_BYTES_PER_SECOND",
    },
    max_seconds: {
      doc: "Longest time of one download; then it is cut, and may resume.",
      format: "nat",
      default: 3_600,
      env: "TRANSFERS_MAX_SECONDS",
    },
  },
  connections: {
    max: { doc: "Open connections; those beyond are closed unread.", format: "nat", default: 1_024 },
    max_per_address: { doc: "Of these, of one address that is no proxy of yours.", format: "nat", default: 128 },
  },
  drain_seconds: {
    doc: "How long a stop waits for transfers in flight before it cuts them. Give the container 15 s more.",
    format: "nat",
    default: 60,
    env: "DRAIN_SECONDS",
  },
  redis_url: {
    doc: "Redis 7 with noeviction: redis://host:6379 or unix:///path. Without it submissions are found a little later.",
    format: String,
    default: "redis://127.0.0.1:6379",
    env: "REDIS_URL",
    sensitive: true,
  },
  queue_prefix: {
    doc: "Prefix of the queues' keys, for several validators on one Redis.",
    format: String,
    default: "assay",
    env: "QUEUE_PREFIX",
  },
  admin: {
    host: {
      doc: "Address of the private port with /metrics and /health.",
      format: String,
      default: "127.0.0.1",
      env: "ADMIN_HOST",
    },
    port: { doc: "The private port; 0 picks a free one.", format: "port", default: 9101, env: "ADMIN_PORT" },
  },
  log: {
    level: {
      doc: "Least severe lines that are written.",
      format: [...LOG_LEVELS],
      default: "info" as LogLevel,
      env: "LOG_LEVEL",
    },
    format: { doc: "human or json.", format: [...LOG_FORMATS], default: "human" as LogFormat, env: "LOG_FORMAT" },
    directory: {
      doc: "Folder of model-server.log; empty writes no file.",
      format: String,
      default: "logs",
      env: "LOG_DIRECTORY",
    },
  },
  session: {
    enabled: {
      doc: "Offer encrypted sessions for miners that cannot have TLS. Not together with `tls`.",
      format: Boolean,
      default: false,
      env: "SESSION_ENABLED",
    },
  },
  compatibility: {
    legacy_routes: {
      doc: "Also serve the routes of older miners: `/get-checkpoint`, `/submit-checkpoint` (multipart), `/ping`.",
      format: Boolean,
      default: false,
      env: "COMPATIBILITY_LEGACY_ROUTES",
    },
  },
  development: {
    no_auth: {
      doc: "Serve without a token. For a machine that nobody else reaches, never for a validator.",
      format: Boolean,
      default: false,
    },
  },
} satisfies ConfigSchema;

export type ModelServerConfig = ConfigValues<typeof modelServerSchema>;

/** The bearer token; null under the development flag. */
export function bearerToken({ auth_token, development }: ModelServerConfig): string | null {
  return development.no_auth ? null : auth_token;
}

/** What no single value can show to be wrong. A missing token is `MODEL_SERVER_TOKEN_MISSING`. */
export function configProblems(config: ModelServerConfig): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (bearerToken(config) === "") {
    const message = `${ModelServerErrorCode.TokenMissing}: set the bearer token in the environment`;
    problems.push({ path: "BZ_AUTH_TOKEN", message });
  }
  const unknown = config.serve_phases.filter((phase) => !PHASES.includes(phase));
  if (unknown.length > 0) {
    problems.push({ path: "serve_phases", message: `${unknown.join(", ")}: not one of ${PHASES.join(", ")}` });
  }
  return [...problems, ...transportProblems(config), ...limitProblems(config), ...offloadProblems(config)];
}

function offloadProblems({ offload, object_store, trusted_proxies }: ModelServerConfig): readonly ConfigProblem[] {
  if (offload.kind === "nginx" && trusted_proxies.length === 0) {
    return [{ path: "trusted_proxies", message: "must name the nginx that files are handed over to (offload.kind)" }];
  }
  if (offload.presign_seconds < 1 || offload.presign_seconds > MAX_PRESIGN_SECONDS) {
    return [{ path: "offload.presign_seconds", message: `must lie between 1 and ${MAX_PRESIGN_SECONDS}` }];
  }
  return offload.kind === "s3" ? objectStoreProblems(object_store) : [];
}

/** A week: no longer signature is accepted. */
const MAX_PRESIGN_SECONDS = 604_800;

/** Tokens and models go over the wire: in the clear only on loopback, or when an operator says so. */
function transportProblems({
  tls,
  session,
  allow_plain_http,
  server_host,
}: ModelServerConfig): readonly ConfigProblem[] {
  if ((tls.certificate === "") !== (tls.key === "")) {
    return [{ path: "tls", message: "certificate and key come together" }];
  }
  if (tls.certificate !== "" && session.enabled) {
    return [{ path: "session.enabled", message: "is for a port without TLS; clear tls.certificate, or this" }];
  }
  const isLoopback = server_host === "localhost" || server_host === "::1" || server_host.startsWith("127.");
  const message = "others reach this address: set tls.certificate and tls.key, or allow_plain_http behind a proxy";
  return tls.certificate !== "" || allow_plain_http || isLoopback ? [] : [{ path: "server_host", message }];
}
