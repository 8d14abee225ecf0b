import { isSameAxon } from "@assay/chain/axon";
import type { Axon } from "@assay/core/round/snapshot";
import { problemLine } from "../operator/problem.ts";
import { readableTao, table } from "../readable.ts";
import type { ChainStatus } from "./status-report.ts";

/** The status for people. */
export function renderStatus({ endpoints, subnet, neuron, axon, problems }: ChainStatus): string {
  const endpointRows = endpoints.map(({ endpoint, runtime, head, finalized, lag }) => [
    endpoint,
    runtime === null ? "no answer" : `${runtime.specName} ${runtime.specVersion}`,
    String(head ?? ""),
    String(finalized ?? ""),
    String(lag ?? ""),
  ]);
  const sections = [
    `Endpoints:\n${table([["endpoint", "runtime", "head", "final", "lag"], ...endpointRows])}`,
    ...(subnet === null ? [] : [`Subnet ${subnet.netuid} at block ${subnet.block}:\n${table(subnetRows(subnet))}`]),
    ...(neuron === null ? [] : [`Our neuron:\n${table([...neuronRows(neuron), ...axonRows(axon)])}`]),
    ...problems.map((problem) => `${problemLine(problem)}\n`),
  ];
  return sections.join("\n");
}

function subnetRows({ neurons, permits, hyperparameters }: NonNullable<ChainStatus["subnet"]>) {
  const rules = hyperparameters;
  return [
    ["neurons", `${neurons}, ${permits} of them with permit`],
    ["tempo", `${rules.tempo} blocks`],
    ["weights", rules.commitRevealEnabled ? "by commit and reveal" : "plain"],
    ["weights rate limit", `${rules.weightsRateLimit} blocks`],
    ["weights version key", String(rules.weightsVersionKey)],
    ["weights at least", String(rules.minAllowedWeights)],
    ["largest weight", rules.maxWeightsLimit === 65_535 ? "no limit" : `${rules.maxWeightsLimit}/65535 of the sum`],
    ["stake threshold", readableTao(rules.stakeThresholdRao)],
  ];
}

function neuronRows({ hotkey, block, uid, coldkey, validatorPermit, stakeRao, lastUpdate }: NeuronRow) {
  if (uid === null) return [["hotkey", `${hotkey}, not registered`]];
  const update = lastUpdate === 0 ? "never" : `block ${lastUpdate}, ${block - (lastUpdate ?? 0)} blocks ago`;
  return [
    ["hotkey", hotkey],
    ["uid", String(uid)],
    ["coldkey", coldkey ?? ""],
    ["permit", validatorPermit === true ? "yes" : "no"],
    ["stake", readableTao(stakeRao ?? 0n)],
    ["last update", update],
  ];
}

function axonRows(axon: ChainStatus["axon"]) {
  if (axon === null) return [];
  const { served, configured } = axon;
  const said = served === null ? "none" : axonText(served);
  const isOther = configured !== null && !isSameAxon(served, configured);
  return [["axon", isOther ? `${said}, configured: ${axonText(configured)}` : said]];
}

function axonText({ ip, port }: Axon): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

type NeuronRow = NonNullable<ChainStatus["neuron"]>;
