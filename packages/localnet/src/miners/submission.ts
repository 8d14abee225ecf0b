import { readFile } from "node:fs/promises";
import type { ChainClient } from "@assay/chain/chain-client";
import type { Signer } from "@assay/chain/hotkey";
import type { FileDigest } from "@assay/checkpoint/digest";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import type { BlockNumber, ExpertGroup } from "@assay/core/units";
import { retry } from "@assay/runtime/time/retry";
import type { Journal } from "./journal.ts";
import { MinerError, MinerErrorCode } from "./miner-error.ts";

export interface SubmissionOptions {
  readonly modelServerUrl: string;
  readonly authToken: string;
  readonly group: ExpertGroup;
  /** Whether to try again when the server says that it is not the time. */
  readonly isPatient: boolean;
}

export interface SubmissionComponents {
  readonly heads: Pick<ChainClient, "head">;
  readonly signer: Signer;
  readonly journal: Journal;
}

/** A file to be submitted; `url` when the validator is to fetch it. */
export interface SubmittedFile extends FileDigest {
  readonly path: string;
  readonly url: string | null;
}

/** Refusals that time may heal: the server's view of the chain can lag behind ours. */
const PASSING_CODES: ReadonlySet<string> = new Set(["wrong_phase", "block_window"]);
const REQUEST_DEADLINE_MILLIS = 15_000;

/**
 * Submits a file to the model server, again and again while the server is away or not yet in the phase, each time signed
 * for the newest block.
 *
 * @throws MinerError `MINER_SERVER_REFUSED` when the server will not change its mind.
 */
export async function submitFile(
  components: SubmissionComponents,
  options: SubmissionOptions,
  file: SubmittedFile,
  signal: AbortSignal,
): Promise<{ readonly block: BlockNumber; readonly attempts: number }> {
  return await retry(
    async (attempts) => {
      const block = components.heads.head().number;
      await send(await requestOf(components, options, { file, block }), options, signal);
      return { block, attempts };
    },
    {
      attempts: Number.POSITIVE_INFINITY,
      baseMillis: 100,
      maxMillis: 1000,
      signal,
      onRetry: (error, attempt) => {
        if (attempt === 1) components.journal("submit_retry", {}, error);
      },
    },
  );
}

interface SubmitRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | string;
}

async function requestOf(
  { signer }: SubmissionComponents,
  { authToken, group }: SubmissionOptions,
  { file, block }: { readonly file: SubmittedFile; readonly block: BlockNumber },
): Promise<SubmitRequest> {
  const hotkey = signer.address;
  const location = file.url ?? pushLocation(file.sha256);
  const message = submitMessageBytes({ hotkey, expertGroup: group, location, blockNumber: block });
  const signature = encodeBase64Url(signer.sign(message));
  const authorization = { Authorization: `Bearer ${authToken}` };
  if (file.url !== null) {
    const body = { hotkey, expert_group: group, checkpoint_url: file.url, block_number: block, signature };
    return { headers: { ...authorization, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  }
  const headers = {
    ...authorization,
    "Content-Type": "application/octet-stream",
    "X-Hotkey": hotkey,
    "X-Expert-Group": String(group),
    "X-Block-Number": String(block),
    "X-Content-Hash": location,
    "X-Signature": signature,
  };
  return { headers, body: new Uint8Array(await readFile(file.path)) };
}

async function send(
  request: SubmitRequest,
  { modelServerUrl, isPatient }: SubmissionOptions,
  signal: AbortSignal,
): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_DEADLINE_MILLIS)]);
  const response = await fetch(`${modelServerUrl}/submit`, { method: "POST", ...request, signal: limited }).catch(
    (cause: unknown) => {
      signal.throwIfAborted();
      throw refused("The model server does not answer", { retryable: true, cause });
    },
  );
  const reply = await response.text().catch(() => "");
  if (response.ok) return;
  const passes = isPatient && PASSING_CODES.has(refusalCode(reply));
  const retryable = response.status >= 500 || response.status === 429 || passes;
  throw refused("The model server refused the submission", { retryable, fields: { status: response.status, reply } });
}

function refusalCode(reply: string): string {
  const code = /"error"\s*:\s*"(\w+)"/.exec(reply)?.[1];
  return code ?? "";
}

function refused(message: string, options: ConstructorParameters<typeof MinerError>[2]): MinerError {
  return new MinerError(MinerErrorCode.ServerRefused, message, options);
}
