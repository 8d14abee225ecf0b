import { ChainErrorCode } from "@assay/chain/chain-error";
import type { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { Hotkey } from "@assay/core/units";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { type Operator, operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import { ownNeuron, requirePermit } from "../operator/own-neuron.ts";
import { type Problem, problemOf } from "../operator/problem.ts";
import { askEndpoint, type EndpointStatus } from "./endpoint-status.ts";
import { renderStatus } from "./render-status.ts";
import type { ChainStatus } from "./status-report.ts";

type SubnetAnswer = Pick<ChainStatus, "subnet" | "neuron" | "axon" | "problems">;

export async function chainStatus(
  { options }: CommandInput,
  { env, progress, signal }: CommandContext,
): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const isNamed = options.has("hotkey");
  const hotkey = await ownHotkey(options, operator).catch((error: unknown) => withoutWallet(error, isNamed));
  progress(`Asking ${operator.endpoints.length} endpoint(s)`);
  const answers = await Promise.all(
    operator.endpoints.map((each) =>
      askEndpoint(each, operator.connectMillis, signal, (chain) => askSubnet(chain, operator, hotkey)),
    ),
  );
  const endpoints = answers.map(({ status }) => status);
  const told = answers.map(({ answer }) => answer).filter((answer) => answer !== null);
  const subnet = told.find((answer) => answer.subnet !== null) ?? told[0] ?? { ...NOTHING, problems: [] };
  const problems = [
    ...endpoints.flatMap(({ problem }) => (problem === null ? [] : [problem])),
    ...differentChains(endpoints),
    ...subnet.problems,
  ];
  const status: ChainStatus = { ...subnet, endpoints, problems };
  return { json: status, text: renderStatus(status), exitCode: problems.length === 0 ? 0 : 1 };
}

/** Without a wallet there is no neuron to tell of; the rest of the answer is as good. */
function withoutWallet(error: unknown, isNamed: boolean): null {
  if (isNamed) throw error;
  problemOf(error);
  return null;
}

const NOTHING = { subnet: null, neuron: null, axon: null } as const;

async function askSubnet(
  chain: PolkadotChainClient,
  { netuid, axon: configured }: Operator,
  hotkey: Hotkey | null,
): Promise<SubnetAnswer> {
  try {
    const snapshot = await chain.snapshot(netuid, chain.head().hash);
    const { block, neurons, hyperparameters } = snapshot;
    const permits = neurons.filter(({ validatorPermit }) => validatorPermit).length;
    const found = neurons.find((each) => each.hotkey === hotkey);
    const neuron = hotkey === null ? null : ownNeuron(snapshot, hotkey);
    return {
      subnet: { netuid, block, neurons: neurons.length, permits, hyperparameters },
      neuron,
      axon: found === undefined ? null : { served: found.axon, configured },
      problems: neuron === null ? [] : requirePermit(neuron),
    };
  } catch (error) {
    return { ...NOTHING, problems: [problemOf(error)] };
  }
}

function differentChains(endpoints: readonly EndpointStatus[]): readonly Problem[] {
  const known = endpoints.filter(({ genesis }) => genesis !== null);
  const stranger = known.find(({ genesis }) => genesis !== known[0]?.genesis);
  if (stranger === undefined) return [];
  const fields = { endpoint: stranger.endpoint, genesis: stranger.genesis, expected: known[0]?.genesis };
  return [{ code: ChainErrorCode.GenesisMismatch, message: "The endpoints serve different chains", fields }];
}
