import type { Signer } from "@assay/chain/hotkey";
import type { FileDigest } from "@assay/checkpoint/digest";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import type { BlockNumber } from "@assay/core/units";
import type { ChildProcess } from "@assay/runtime/child/child-process";
import type { Contender } from "./contenders.ts";
import { median } from "./figures.ts";
import type { ServerBenchOptions } from "./options.ts";
import { TOKEN } from "./server-process.ts";
import type { ServerStage } from "./stage.ts";
import { submissionDigest } from "./submission.ts";
import type { LimitReply, LimitRequest } from "./upload-limit.ts";
import type { UploadReply, UploadRequest } from "./upload-load.ts";
import { watchWhile } from "./watch.ts";

export interface UploadRow {
  readonly clients: number;
  readonly ours: number;
  /** What hashing and writing the same bytes reaches without a server. */
  readonly limit: number;
  /** Median over the rounds of ours by the limit in the same round. */
  readonly ratio: number;
}

export interface UploadComponents {
  readonly stage: ServerStage;
  readonly ours: Contender;
  readonly load: ChildProcess<UploadRequest, UploadReply>;
  readonly limit: ChildProcess<LimitRequest, LimitReply>;
  readonly write: (line: string) => void;
}

const MIB = 2 ** 20;
/** A slow disk is not a failure. */
const DEADLINE_MS = 1_800_000;
const WAITING = { deadlineMs: DEADLINE_MS, signal: new AbortController().signal };

/** @returns a row per count of clients, and the server's largest memory in MiB. */
export async function measureUploads(
  components: UploadComponents,
  { bytes, uploadClients, rounds }: ServerBenchOptions,
): Promise<{ readonly rows: readonly UploadRow[]; readonly peakMiB: number | null }> {
  const digest = submissionDigest(bytes);
  const rows: UploadRow[] = [];
  const peaks: number[] = [];
  for (const clients of uploadClients) {
    const turns: { ours: number; limit: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const turn = { ours: 0, limit: 0 };
      // Whoever begins changes from round to round.
      for (const name of round % 2 === 0 ? (["ours", "limit"] as const) : (["limit", "ours"] as const)) {
        const seconds =
          name === "ours"
            ? await pushAll(components, { bytes, clients, digest, peaks })
            : await writeAll(components, { bytes, clients, digest });
        turn[name] = (clients * digest.bytes) / MIB / seconds;
      }
      turns.push(turn);
      const { ours, limit } = turn;
      components.write(
        `${clients} uploads, round ${round + 1}: ours ${ours.toFixed(0)} MiB/s, limit ${limit.toFixed(0)} MiB/s`,
      );
    }
    const medianOf = (value: (turn: { ours: number; limit: number }) => number) => median(turns.map(value)) ?? 0;
    rows.push({
      clients,
      ours: medianOf(({ ours }) => ours),
      limit: medianOf(({ limit }) => limit),
      ratio: medianOf(({ ours, limit }) => ours / limit),
    });
  }
  return { rows, peakMiB: peaks.length === 0 ? null : Math.max(...peaks) };
}

interface Measurement {
  readonly bytes: number;
  readonly clients: number;
  readonly digest: FileDigest;
}

/** Each miner pushes its submission in a round of its own. @returns seconds until the last was accepted. */
async function pushAll(
  { stage, ours, load }: UploadComponents,
  { bytes, clients, digest, peaks }: Measurement & { readonly peaks: number[] },
): Promise<number> {
  const { roundId, block } = await stage.openRound();
  const pushes = stage.miners.slice(0, clients).map((miner) => pushHeaders(miner, digest, block));
  const pushing = load.request({ port: ours.port, bytes, pushes }, WAITING);
  const { peakMiB } = await watchWhile(ours, pushing);
  peaks.push(peakMiB);
  const { seconds } = await pushing;
  const inbox = new Inbox(stage.layout.inbox);
  const receipts = await inbox.list(roundId);
  if (receipts.length !== clients) throw new Error(`${clients} were accepted, and ${receipts.length} lie in the inbox`);
  await inbox.expire(roundId + 1);
  return seconds;
}

async function writeAll({ stage, limit }: UploadComponents, { bytes, clients, digest }: Measurement): Promise<number> {
  const { seconds, digests } = await limit.request({ folder: stage.layout.root, bytes, files: clients }, WAITING);
  if (digests.some((each) => each !== digest.sha256)) throw new Error("The limit hashed other bytes");
  return seconds;
}

function pushHeaders(miner: Signer, digest: FileDigest, blockNumber: BlockNumber): Readonly<Record<string, string>> {
  const location = pushLocation(digest.sha256);
  const message = submitMessageBytes({ hotkey: miner.address, expertGroup: 0, location, blockNumber });
  return {
    Authorization: `Bearer ${TOKEN}`,
    "Content-Type": "application/octet-stream",
    "Content-Length": String(digest.bytes),
    "X-Hotkey": miner.address,
    "X-Expert-Group": "0",
    "X-Block-Number": String(blockNumber),
    "X-Content-Hash": location,
    "X-Signature": encodeBase64Url(miner.sign(message)),
  };
}
