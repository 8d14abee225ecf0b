import type { ChainClient } from "@assay/chain/chain-client";
import { parseCommitment } from "@assay/core/commitment/payload";
import { type Bundle, committedRoot } from "@assay/core/receipts/bundle";
import { type Finding, Findings } from "@assay/core/receipts/finding";
import type { BlockHash } from "@assay/core/units";
import type { CommandContext } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { withChain } from "../operator/chain-reader.ts";
import { finalBlock } from "../operator/final-block.ts";
import { operatorOf } from "../operator/operator-options.ts";

/** Compares a bundle's root and weights with what the chain holds of its validator. */
export async function compareWithChain(
  bundle: Bundle,
  options: CommandOptions,
  { env, signal }: CommandContext,
): Promise<readonly Finding[]> {
  const block = options.wholeNumber("block", { minimum: 0 });
  return await withChain(operatorOf(options, env), signal, async (chain) => {
    const findings = new Findings();
    const { hash: at } = block === null ? chain.finalizedHead() : await finalBlock(chain, block);
    await compareRoot(bundle, chain, at, findings);
    await compareWeights(bundle, chain, at, findings);
    return findings.all;
  });
}

async function compareRoot({ header, root }: Bundle, chain: ChainClient, at: BlockHash, findings: Findings) {
  const commitments = await chain.commitments(header.netuid, at);
  const own = commitments.find(({ hotkey }) => hotkey === header.validator);
  const parsed = own === undefined ? null : parseCommitment(own.bytes);
  const found = parsed?.ok === true ? (parsed.value.receipts ?? "none") : "none";
  findings.compare("not_on_chain", { part: "bundle", uid: null, field: "root" }, committedRoot(root), found);
}

async function compareWeights({ header, weights }: Bundle, chain: ChainClient, at: BlockHash, findings: Findings) {
  const { plan } = weights;
  if (plan.kind === "none") return;
  const { neurons } = await chain.snapshot(header.netuid, at);
  const own = neurons.find(({ hotkey }) => hotkey === header.validator);
  const held = new Map(own === undefined ? [] : await chain.weights(header.netuid, own.uid, at));
  const meant = new Map(plan.uids.map((uid, index) => [uid, plan.weights[index] ?? 0]));
  for (const uid of [...new Set([...meant.keys(), ...held.keys()])].sort((a, b) => a - b)) {
    const place = { part: "weight" as const, uid, field: "plan.weights" };
    findings.compare("chain_differs", place, meant.get(uid) ?? 0, held.get(uid) ?? 0);
  }
}
