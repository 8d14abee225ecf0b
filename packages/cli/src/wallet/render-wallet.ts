import { problemLine } from "../operator/problem.ts";
import { readableTao, table } from "../readable.ts";
import type { WalletReport } from "./wallet-report.ts";

/** The report for people. */
export function renderWallet({ wallet, hotkey, neuron, warnings, problems }: WalletReport): string {
  const rows = [
    ...(wallet === null ? [] : [["Wallet", `${wallet.name} in ${wallet.path}`]]),
    ...(wallet === null ? [] : [["Coldkey", wallet.coldkey ?? "no coldkeypub.txt that names it"]]),
    ["Hotkey", hotkey.address ?? "address not known"],
    ...(hotkey.file === null ? [] : [["File", `${hotkey.file}, mode ${hotkey.mode}`]]),
    ...(hotkey.encryption === null ? [] : [["Encrypted", hotkey.encryption === "none" ? "no" : hotkey.encryption]]),
    ...(hotkey.type === null ? [] : [["Type", hotkey.type]]),
    ["Can sign", hotkey.canSign ? "yes" : "no"],
    ...(neuron === null ? [] : neuronRows(neuron)),
  ];
  const lines = [
    ...warnings.map(({ code, file, mode }) => `Warning: ${code} | file: ${file} | mode: ${mode}\n`),
    ...problems.map((problem) => `${problemLine(problem)}\n`),
  ];
  return [table(rows, ""), ...(lines.length === 0 ? [] : ["\n"]), ...lines].join("");
}

function neuronRows(neuron: NonNullable<WalletReport["neuron"]>): readonly (readonly string[])[] {
  const { netuid, block, uid, validatorPermit, stakeRao } = neuron;
  if (uid === null) return [[`Subnet ${netuid}`, `not registered at block ${block}`]];
  const permit = validatorPermit === true ? "with permit" : "without permit";
  return [[`Subnet ${netuid}`, `uid ${uid}, ${permit}, stake ${readableTao(stakeRao ?? 0n)} at block ${block}`]];
}
