import { fileURLToPath } from "node:url";
import { configuredAxon } from "@assay/chain/axon";
import { isServableIp } from "@assay/chain/ip-address";
import { objectStoreProblems, objectStoreSchema } from "@assay/checkpoint/object-store/object-store-options";
import type { Axon } from "@assay/core/round/snapshot";
import { parseDevices } from "@assay/evaluation/devices/device";
import type { ConfigProblem } from "@assay/runtime/config/config-error";
import type { ConfigSchema, ConfigValues } from "@assay/runtime/config/schema";
import { LOG_LEVELS, type LogLevel } from "@assay/runtime/logging/log-record";
import { LOG_FORMATS, type LogFormat } from "@assay/runtime/logging/render";

export const EVALUATOR_ROLES = ["all", "cycle", "worker"] as const;
export type EvaluatorRole = (typeof EVALUATOR_ROLES)[number];

/** Everything an operator can set, in the words of the published keys where one exists. */
export const evaluatorSchema = {
  role: {
    doc: "Which part of the evaluator this process is: `cycle` (exactly one per hotkey), `worker` (one per device, as many as you have), or `all`.",
    format: [...EVALUATOR_ROLES],
    default: "all" as EvaluatorRole,
    env: "EVALUATOR_ROLE",
    arg: "role",
  },
  model_path: {
    doc: "Hugging Face folder of the base model: config.json, safetensors, tokenizer files. Read in place by all processes.",
    format: String,
    default: "./models/Qwen3-VL-30B-Instruct",
    env: "MODEL_PATH",
    arg: "model-path",
  },
  chain_endpoint: {
    doc: "WebSocket address of the chain. Several, separated by commas, in the order of preference: your own node first.",
    format: String,
    default: "wss://entrypoint-finney.opentensor.ai:443",
    env: "CHAIN_ENDPOINT",
    arg: "chain-endpoint",
  },
  chain_archive_endpoint: {
    doc: "WebSocket addresses of archive nodes, separated by commas, for blocks whose state the others have dropped. Empty: none; such a read then fails.",
    format: String,
    default: "",
    env: "CHAIN_ARCHIVE_ENDPOINT",
    arg: "chain-archive-endpoint",
  },
  chain_request_seconds: {
    doc: "How long one request to the chain may take before its connection counts as dead.",
    format: "nat",
    default: 15,
    env: "CHAIN_REQUEST_SECONDS",
  },
  chain_silence_seconds: {
    doc: "How long the chain's head may stand still before the next endpoint is tried. 0: four blocks, 30 s at least.",
    format: "nat",
    default: 0,
    env: "CHAIN_SILENCE_SECONDS",
  },
  chain_tip_rao: {
    doc: "Tip of every extrinsic, in rao (1 TAO is 10^9), for block authors to prefer it. The hotkey's own account pays it and must hold it; 0: none.",
    format: "nat",
    default: 0,
    env: "CHAIN_TIP_RAO",
    arg: "chain-tip-rao",
  },
  netuid: { doc: "Number of the subnet.", format: "nat", default: 42, env: "NETUID", arg: "netuid" },
  network: {
    doc: "Rules of the network: a name in config/networks (finney, test, localnet, seed-45) or the path of such a file.",
    format: String,
    default: "finney",
    env: "NETWORK",
    arg: "network",
  },
  wallet: {
    name: {
      doc: "Name of the wallet (coldkey).",
      format: String,
      default: "my-wallet",
      env: "WALLET_NAME",
      arg: "wallet-name",
    },
    hotkey: {
      doc: "Name of the hotkey in the wallet.",
      format: String,
      default: "my-validator-hotkey",
      env: "WALLET_HOTKEY",
      arg: "wallet-hotkey",
    },
    path: {
      doc: "Folder that holds the wallets.",
      format: String,
      default: "~/.bittensor/wallets",
      env: "WALLET_PATH",
      arg: "wallet-path",
    },
    hotkey_password: {
      doc: "Password of an encrypted hotkey file. From the environment, or better from the file or descriptor (`/dev/fd/3`) that WALLET_HOTKEY_PASSWORD_FILE names; read by the cycle role alone.",
      format: String,
      default: "",
      env: "WALLET_HOTKEY_PASSWORD",
      sensitive: true,
      environmentOnly: true,
    },
    hotkey_uri: {
      doc: "Secret URI of the hotkey instead of a wallet file. From the environment only; read by the cycle role alone.",
      format: String,
      default: "",
      env: "HOTKEY_URI",
      sensitive: true,
      environmentOnly: true,
    },
  },
  doppelganger: {
    blocks: {
      doc: "Final blocks after a start in which the chain is watched for another process with this hotkey before anything is signed; later such activity locks signing as well. 0 watches nothing.",
      format: "nat",
      default: 25,
      env: "DOPPELGANGER_BLOCKS",
      arg: "doppelganger-blocks",
    },
  },
  checkpoint_cache_dir: {
    doc: "Checkpoint directory shared with the model server and the workers.",
    format: String,
    default: "./validator-cache",
    env: "CHECKPOINT_CACHE_DIR",
    arg: "checkpoint-cache-dir",
  },
  inbox_dir: {
    doc: "Where the model server puts uploads, when that is another volume than the checkpoint directory's `inbox`.",
    format: String,
    default: "",
    env: "INBOX_DIR",
    arg: "inbox-dir",
  },
  ledger_path: {
    doc: "The validator's memory (SQLite). Empty: `ledger.sqlite` in the checkpoint directory. Back this file up.",
    format: String,
    default: "",
    env: "LEDGER_PATH",
    arg: "ledger-path",
  },
  max_checkpoints_cached: {
    doc: "Versions of the model kept on disk, the current one included.",
    format: "nat",
    default: 50,
    env: "MAX_CHECKPOINTS_CACHED",
    arg: "max-checkpoints-cached",
  },
  receipts: {
    cycles_kept: {
      doc: "Cycles whose bundles of receipts stay on disk, the newest first. One takes up to about 2 MiB on a full subnet.",
      format: "nat",
      default: 500,
      env: "RECEIPTS_CYCLES_KEPT",
    },
    export_days_kept: {
      doc: "Days whose hourly CSV exports of receipts stay on disk.",
      format: "nat",
      default: 90,
      env: "RECEIPTS_EXPORT_DAYS_KEPT",
    },
  },
  server_host: {
    doc: "Address the model server listens on; used by the model server.",
    format: String,
    default: "0.0.0.0",
    env: "SERVER_HOST",
  },
  server_port: {
    doc: "Port the model server listens on; used by the model server, and by `axon`.",
    format: "port",
    default: 8080,
    env: "SERVER_PORT",
  },
  axon: {
    external_ip: {
      doc: "IPv4 or IPv6 address at which miners and peer validators reach the model server, kept on chain as our axon. Empty: none is put there, and what is there stays.",
      format: String,
      default: "",
      env: "AXON_EXTERNAL_IP",
      arg: "axon-external-ip",
    },
    external_port: {
      doc: "Port at that address. 0: `server_port`.",
      format: "port",
      default: 0,
      env: "AXON_EXTERNAL_PORT",
      arg: "axon-external-port",
    },
  },
  eval_dataset_path: {
    doc: "Held-out text: a JSONL file with a `text` field for all groups, or a folder with `group-<n>.jsonl`.",
    format: String,
    default: "/data/validation/held-out.jsonl",
    env: "EVAL_DATASET_PATH",
    arg: "eval-dataset-path",
  },
  eval_batch_size: {
    doc: "Sequences per batch. Changes memory and speed, and the last digits of a loss; not which sequences are measured. A network that measures in stages has its own.",
    format: "nat",
    default: 8,
    env: "EVAL_BATCH_SIZE",
    arg: "eval-batch-size",
  },
  score_ema_alpha: {
    doc: "Weight of the OLD value in each miner's moving average: new = alpha * old + (1 - alpha) * w_i.",
    format: Number,
    default: 0.9,
    env: "SCORE_EMA_ALPHA",
    arg: "score-ema-alpha",
  },
  consensus_timeout: {
    doc: "Seconds that a merge with other validators may take, where the network's rules do not say. All validators of a subnet need the same.",
    format: "nat",
    default: 60,
    env: "CONSENSUS_TIMEOUT",
    arg: "consensus-timeout",
  },
  evaluation: {
    device: {
      doc: "Where evaluations run: `cpu`, `cuda`, `cuda:1`, `webgpu`, several separated by commas, or `auto`: every GPU that is found, else the CPU. A named device that cannot be used stops the start.",
      format: String,
      default: "cpu",
      env: "EVALUATION_DEVICE",
      arg: "evaluation-device",
    },
    workers: {
      doc: "Child processes that evaluate in this process tree, one submission each, placed on the devices in turn. 0: one per device.",
      format: "nat",
      default: 0,
      env: "EVALUATION_WORKERS",
      arg: "evaluation-workers",
    },
    threads: {
      doc: "Threads of one evaluation. Losses are bit-identical only between equal values.",
      format: "nat",
      default: 1,
      env: "EVALUATION_THREADS",
    },
    timeout_seconds: {
      doc: "Wall-clock limit of one evaluation. At the limit its process is killed and the attempt counts as ours.",
      format: "nat",
      default: 300,
      env: "EVALUATION_TIMEOUT_SECONDS",
    },
    token_cache_dir: {
      doc: "Where workers keep the held-out text's tokens between starts. `auto`: `assay-tokens-<uid>` in the system's folder for temporary files; empty: nowhere. May be emptied at any moment.",
      format: String,
      default: "auto",
      env: "EVALUATION_TOKEN_CACHE_DIR",
    },
    memory_limit_mib: {
      doc: "Resident memory at which one evaluating process is killed; the attempt counts as ours. 0: no limit.",
      format: "nat",
      default: 0,
      env: "EVALUATION_MEMORY_LIMIT_MIB",
    },
    backend_command: {
      doc: "Command and arguments of a program that computes losses in place of our engine; `{device}` becomes the device's name. Empty: our engine.",
      format: Array,
      default: [] as string[],
      env: "EVALUATION_BACKEND_COMMAND",
    },
  },
  downloads: {
    concurrency: { doc: "Submissions fetched at once.", format: "nat", default: 4, env: "DOWNLOADS_CONCURRENCY" },
    timeout_seconds: {
      doc: "Limit of one download in all.",
      format: "nat",
      default: 180,
      env: "DOWNLOADS_TIMEOUT_SECONDS",
    },
    min_bytes_per_second: {
      doc: "Least rate of a download over half a minute; a slower one is asked for again. 0 for none.",
      format: "nat",
      default: 32 * 1024,
      env: "DOWNLOADS_MIN_BYTES_PER_SECOND",
    },
    allow_private_addresses: {
      doc: "Also pull submissions from private and loopback addresses, and merge with validators there. For a local subnet only: it lets strangers reach your network.",
      format: Boolean,
      default: false,
      env: "DOWNLOADS_ALLOW_PRIVATE_ADDRESSES",
    },
  },
  weights: {
    dry_run: {
      doc: "Plan and record weights, and sign none. What would be set is in the log and in `assay weights why`.",
      format: Boolean,
      default: false,
      env: "WEIGHTS_DRY_RUN",
    },
  },
  redis_url: {
    doc: "Redis 7 with noeviction: redis://host:6379 or unix:///path.",
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
  queue_lock_seconds: {
    doc: "A worker that falls silent for this long (it crashed, its host is gone) loses its job to another.",
    format: "nat",
    default: 30,
    env: "QUEUE_LOCK_SECONDS",
  },
  admin: {
    host: {
      doc: "Address of the private port with /metrics and /health.",
      format: String,
      default: "127.0.0.1",
      env: "ADMIN_HOST",
    },
    port: {
      doc: "The private port; 0 picks a free one.",
      format: "port",
      default: 9100,
      env: "ADMIN_PORT",
      arg: "admin-port",
    },
  },
  object_store: objectStoreSchema,
  log: {
    level: {
      doc: "Least severe lines that are written.",
      format: [...LOG_LEVELS],
      default: "info" as LogLevel,
      env: "LOG_LEVEL",
      arg: "log-level",
    },
    format: {
      doc: "human or json.",
      format: [...LOG_FORMATS],
      default: "human" as LogFormat,
      env: "LOG_FORMAT",
      arg: "log-format",
    },
    directory: {
      doc: "Folder of evaluator.log; empty writes no file.",
      format: String,
      default: "logs",
      env: "LOG_DIRECTORY",
    },
  },
  status_every_blocks: {
    doc: "Blocks between two status lines.",
    format: "nat",
    default: 5,
    env: "STATUS_EVERY_BLOCKS",
  },
} satisfies ConfigSchema;

export type EvaluatorConfig = ConfigValues<typeof evaluatorSchema>;

/** Where the networks that come with Assay lie, seen from `src` and from `dist` alike. */
const NETWORKS = fileURLToPath(new URL("../../../config/networks/", import.meta.url));

/** The file of a network: by its name in `config/networks`, or the path itself. */
export function networkFile(nameOrPath: string): string {
  return /^[\w-]+$/.test(nameOrPath) ? `${NETWORKS}${nameOrPath}.yaml` : nameOrPath;
}

/** Where others are to find the model server; null where nothing is to be put on chain. */
export function axonOf({ axon, server_port: serverPort }: EvaluatorConfig): Axon | null {
  return configuredAxon({ ip: axon.external_ip, port: axon.external_port }, serverPort);
}

/** Bounds that a format alone does not state. */
export function checkEvaluatorConfig(config: EvaluatorConfig): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { score_ema_alpha: alpha, netuid } = config;
  if (!(alpha >= 0 && alpha < 1)) {
    problems.push({ path: "score_ema_alpha", message: "must be at least 0 and less than 1" });
  }
  if (netuid > MAX_NETUID) problems.push({ path: "netuid", message: `must be at most ${MAX_NETUID}` });
  if (config.queue_prefix === "") problems.push({ path: "queue_prefix", message: "must not be empty" });
  if (!config.chain_endpoint.split(",").every((each) => isAddress(each, ["ws:", "wss:"]))) {
    problems.push({ path: "chain_endpoint", message: "must be ws:// or wss:// addresses, separated by commas" });
  }
  const archives = config.chain_archive_endpoint;
  if (archives !== "" && !archives.split(",").every((each) => isAddress(each, ["ws:", "wss:"]))) {
    problems.push({
      path: "chain_archive_endpoint",
      message: "must be ws:// or wss:// addresses, separated by commas",
    });
  }
  if (!isAddress(config.redis_url, ["redis:", "rediss:", "unix:"])) {
    problems.push({ path: "redis_url", message: "must begin with redis://, rediss:// or unix://" });
  }
  problems.push(...deviceProblems(config), ...axonProblems(config));
  const uploads = config.object_store.bucket !== "" && config.role !== "worker";
  if (uploads) problems.push(...objectStoreProblems(config.object_store));
  for (const [path, value] of atLeastOne(config)) {
    if (value < 1) problems.push({ path, message: "must be at least 1" });
  }
  return problems;
}

const MAX_NETUID = 65_535;

function axonProblems(config: EvaluatorConfig): readonly ConfigProblem[] {
  const axon = axonOf(config);
  if (axon === null) return [];
  const problems: ConfigProblem[] = [];
  if (!isServableIp(axon.ip)) {
    const message = "must be an IPv4 or IPv6 address that others can reach; the chain refuses 127.0.0.1 and ::1";
    problems.push({ path: "axon.external_ip", message });
  }
  if (axon.port === 0) problems.push({ path: "axon.external_port", message: "must be set where server_port is 0" });
  return problems;
}

function deviceProblems({
  evaluation: { device, backend_command: command },
}: EvaluatorConfig): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const devices = parseDevices(device);
  if (devices === null) {
    const message = "must be auto, or of cpu, cuda, cuda:N and webgpu those to use, separated by commas";
    problems.push({ path: "evaluation.device", message });
  }
  if (devices === "auto" && command.length > 0) {
    problems.push({ path: "evaluation.device", message: "must name devices when there is a backend_command" });
  }
  if (!command.every((word) => typeof word === "string" && word !== "")) {
    problems.push({ path: "evaluation.backend_command", message: "must be a list of words, none of them empty" });
  }
  return problems;
}

function isAddress(text: string, protocols: readonly string[]): boolean {
  const url = URL.parse(text.trim());
  return url !== null && protocols.includes(url.protocol);
}

function atLeastOne(config: EvaluatorConfig): readonly (readonly [path: string, value: number])[] {
  return [
    ["chain_request_seconds", config.chain_request_seconds],
    ["eval_batch_size", config.eval_batch_size],
    ["max_checkpoints_cached", config.max_checkpoints_cached],
    ["receipts.cycles_kept", config.receipts.cycles_kept],
    ["receipts.export_days_kept", config.receipts.export_days_kept],
    ["consensus_timeout", config.consensus_timeout],
    ["evaluation.threads", config.evaluation.threads],
    ["evaluation.timeout_seconds", config.evaluation.timeout_seconds],
    ["downloads.concurrency", config.downloads.concurrency],
    ["downloads.timeout_seconds", config.downloads.timeout_seconds],
    ["queue_lock_seconds", config.queue_lock_seconds],
    ["status_every_blocks", config.status_every_blocks],
  ];
}
