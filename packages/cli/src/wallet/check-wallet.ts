import { type KeyWarning, loadHotkey } from "@assay/chain/hotkey";
import { hotkeyAddress } from "@assay/chain/keys/hotkey-address";
import { encryptionOf } from "@assay/chain/keys/key-file-encryption";
import { coldkeyAddress, readHotkeyFile } from "@assay/chain/keys/wallet-files";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { type Operator, operatorOf } from "../operator/operator-options.ts";
import { type OwnNeuron, readOwnNeuron, requirePermit } from "../operator/own-neuron.ts";
import { type Problem, problemOf } from "../operator/problem.ts";
import { renderWallet } from "./render-wallet.ts";
import type { HotkeyFacts, WalletReport } from "./wallet-report.ts";

/** Opens the hotkey as the evaluator would, and asks the chain about it when one is named. */
export async function checkWallet(
  { options }: CommandInput,
  { env, progress, signal }: CommandContext,
): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const warnings: KeyWarning[] = [];
  const problems: Problem[] = [];
  const hotkey = await openHotkey(operator, { warnings, problems, progress });
  const neuron = operator.namesChain ? await askChain(operator, hotkey.address, { problems, signal }) : null;
  const report: WalletReport = { wallet: await walletOf(operator), hotkey, neuron, warnings, problems };
  return { json: report, text: renderWallet(report), exitCode: problems.length === 0 ? 0 : 1 };
}

async function walletOf(operator: Operator): Promise<WalletReport["wallet"]> {
  if (operator.hotkeyUri !== "") return null;
  const { walletPath: path, walletName: name } = operator;
  return { path, name, coldkey: await coldkeyAddress(operator) };
}

interface Findings {
  readonly warnings: KeyWarning[];
  readonly problems: Problem[];
  readonly progress: (line: string) => void;
}

const UNKNOWN: HotkeyFacts = {
  name: null,
  file: null,
  mode: null,
  encryption: null,
  address: null,
  type: null,
  canSign: false,
};

async function openHotkey(operator: Operator, { warnings, problems, progress }: Findings): Promise<HotkeyFacts> {
  let facts = UNKNOWN;
  try {
    if (operator.hotkeyUri !== "") {
      const { address, type } = await loadHotkey({ uri: operator.hotkeyUri });
      return { ...facts, address, type, canSign: true };
    }
    const { file, mode, content } = await readHotkeyFile(operator);
    facts = { ...facts, name: operator.hotkeyName, file, mode, encryption: encryptionOf(content) };
    facts = { ...facts, address: await hotkeyAddress(operator) };
    if (facts.encryption === "nacl" && operator.hotkeyPassword !== "") progress("Opening the hotkey (a few seconds)");
    const source = { ...operator, password: operator.hotkeyPassword };
    const { address, type } = await loadHotkey(source, (warning) => warnings.push(warning));
    return { ...facts, address, type, canSign: true };
  } catch (error) {
    problems.push(problemOf(error));
    return facts;
  }
}

async function askChain(
  operator: Operator,
  address: string | null,
  { problems, signal }: { readonly problems: Problem[]; readonly signal: AbortSignal },
): Promise<OwnNeuron | null> {
  if (address === null) return null;
  try {
    const neuron = await withChain(operator, signal, (chain) => readOwnNeuron(chain, operator.netuid, address));
    problems.push(...requirePermit(neuron));
    return neuron;
  } catch (error) {
    signal.throwIfAborted();
    problems.push(problemOf(error));
    return null;
  }
}
