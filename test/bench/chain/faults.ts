import { setTimeout as sleep } from "node:timers/promises";
import type { BlockNumber } from "@assay/core/units";
import type { Random } from "@assay/evaluation/model/random";
import { sendDevCommand } from "@assay/localnet/stage/dev-command";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { RedisConnections } from "@assay/runtime/queue/connection";
import type { Fault, FaultProxy } from "@assay/testing/network/fault-proxy";
import type { ChaosStage } from "./stage.ts";

/** What a fault needs to be made. */
export interface FaultScene extends ChaosStage {
  readonly random: Random;
  readonly signal: AbortSignal;
  /** The bench has looked at all blocks before this one; the states of others must stay. */
  readonly recorded: () => BlockNumber;
}

/** One way in which things go wrong. */
export interface FaultKind {
  readonly kind: string;
  /**
   * Makes it, and resolves when it is over. A fault of the network lasts until the validator has got away from it; others
   * end by themselves.
   */
  readonly strike: (scene: FaultScene) => Promise<void>;
}

/** Faults of the line to the chain: each hits the endpoint in use and stays until another one serves. */
export const LINE_FAULTS: readonly FaultKind[] = [
  onTheLine("silent", () => ({ kind: "silent" })),
  onTheLine("one_way_requests", () => ({ kind: "one_way", lost: "requests" })),
  onTheLine("one_way_answers", () => ({ kind: "one_way", lost: "answers" })),
  onTheLine("reset", () => ({ kind: "reset" })),
  onTheLine("slow", () => ({ kind: "slow", bytesPerSecond: 400 })),
  onTheLine("cut", (random) => ({ kind: "cut", afterBytes: Math.floor(random() * 20_000) })),
];

/** A light node keeps the states of 256 blocks; here as much of a tempo. */
const KEPT_STATES = 40;

/** Faults of the chain itself, of Redis and of the validator's process. */
export const OTHER_FAULTS: readonly FaultKind[] = [
  {
    kind: "fork",
    strike: ({ subnet, random }) =>
      sendDevCommand(subnet.chainUrl, "dev_fork", [{ depth: 1, extrinsics: random() < 0.5 ? "return" : "lose" }]),
  },
  { kind: "missed_blocks", strike: ({ subnet }) => sendDevCommand(subnet.chainUrl, "dev_missBlocks", [8]) },
  { kind: "finality_stall", strike: stallFinality },
  { kind: "runtime_upgrade", strike: ({ subnet }) => sendDevCommand(subnet.chainUrl, "dev_upgradeRuntime", [{}]) },
  {
    kind: "pruned_state",
    strike: ({ subnet, chain, recorded }) =>
      sendDevCommand(subnet.chainUrl, "dev_pruneBelow", [
        Math.max(0, Math.min(recorded(), chain.finalizedHead().number - KEPT_STATES)),
      ]),
  },
  { kind: "pool_dropped", strike: ({ subnet }) => sendDevCommand(subnet.chainUrl, "dev_dropPool") },
  { kind: "connections_dropped", strike: ({ subnet }) => sendDevCommand(subnet.chainUrl, "dev_dropConnections") },
  { kind: "redis_flushed", strike: flushRedis },
  { kind: "evaluator_killed", strike: killEvaluator },
];

function onTheLine(kind: string, faultOf: (random: Random) => Fault): FaultKind {
  return {
    kind,
    strike: async (scene) => {
      const proxy = await proxyInUse(scene);
      proxy.fail(faultOf(scene.random));
      try {
        await scene.watch.caughtUp(() => scene.chain.head().number + 2, scene.signal);
      } finally {
        proxy.fail(null);
      }
    },
  };
}

/** The proxy that the validator says it is connected through. */
async function proxyInUse({ proxies, watch, signal }: FaultScene): Promise<FaultProxy> {
  for (;;) {
    const series = (await watch.series()) ?? {};
    const used = proxies.find(({ url }) =>
      Object.entries(series).some(
        ([name, value]) =>
          value === 1 && name.startsWith("evaluator_chain_endpoint_connected") && name.includes(new URL(url).host),
      ),
    );
    if (used !== undefined) return used;
    await sleep(100, undefined, { signal });
  }
}

async function stallFinality({ subnet, random, network, signal }: FaultScene): Promise<void> {
  await sendDevCommand(subnet.chainUrl, "dev_stallFinality");
  await sleep(network.blockMillis * (5 + Math.floor(random() * 15)), undefined, { signal });
  await sendDevCommand(subnet.chainUrl, "dev_resumeFinality");
}

async function flushRedis({ subnet, signal }: FaultScene): Promise<void> {
  const redis = new RedisConnections({ logger: createMemoryLogger() }, { url: subnet.redisUrl });
  await redis.start(signal);
  try {
    await redis.producer.flushall();
  } finally {
    await redis.stop();
  }
}

async function killEvaluator({ subnet }: FaultScene): Promise<void> {
  await subnet.validator.killEvaluator();
  await subnet.validator.startEvaluator();
}
