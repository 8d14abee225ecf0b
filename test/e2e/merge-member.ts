import { parseArgs } from "node:util";
import { loadHotkey } from "@assay/chain/hotkey";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { MergePeer } from "@assay/core/merging/exchange/merge-transport";
import type { Hotkey } from "@assay/core/units";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { HttpMergeTransport } from "../../services/evaluator/src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { mergeTogether } from "../../services/evaluator/src/merging/merge-together.ts";
import { BLOCK, MINER, mergeRules, ROUND } from "./merge-terms.ts";

/** What the process of a member is told. */
export interface MemberTerms {
  readonly uri: string;
  readonly root: string;
  readonly block: number;
  readonly peers: readonly (readonly [Hotkey, MergePeer])[];
  readonly submissions: readonly SubmissionRecord[];
  readonly startedAt: number;
  readonly timeoutMillis: number;
}

/** One validator's merge as a process of its own, which can be killed. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { terms: { type: "string" } } });
  const terms = JSON.parse(values.terms ?? "") as MemberTerms;
  const logger = createMemoryLogger();
  const store = new CheckpointStore({ logger }, { root: terms.root, keepVersions: 2 });
  await store.start();
  const voice = voiceOf(await loadHotkey({ uri: terms.uri }));
  const { submissions, startedAt } = terms;
  const head = () => ({ number: terms.block });
  const layout = new CheckpointLayout(terms.root);
  using transport = new HttpMergeTransport({ layout, voice, head }, { allowPrivateAddresses: true });
  const { result } = await mergeTogether(
    { round: ROUND, best: new Map([[0, [MINER]]]), submissions, block: BLOCK, peers: new Map(terms.peers), startedAt },
    { store, transport, voice, logger },
    mergeRules(terms.timeoutMillis),
    new AbortController().signal,
  );
  process.stdout.write(`${result}\n`);
}

await main();
