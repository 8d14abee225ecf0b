import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { ObjectStoreOptions } from "@assay/checkpoint/object-store/object-store-options";
import { freePort } from "@assay/localnet/stage/free-port";
import { CreateBucketCommand, PutBucketPolicyCommand, S3Client } from "@aws-sdk/client-s3";
import { docker } from "./docker.ts";

const IMAGE = "assay/test-ceph:debian-13";
const BUILD_DEADLINE_MILLIS = 600_000;
const START_DEADLINE_MILLIS = 120_000;
const POLL_MILLIS = 250;
/** Their names are their access keys. What each may do in the bucket, besides its owner. */
const KEYS = { owner: "owner-secret", reader: "reader-secret", keeper: "keeper-secret" } as const;
const BUCKET = "assay";

/** How the gateway keeps objects: in RADOS, as everybody runs it, or in SQLite, which is experimental. */
export type CephBackend = "rados" | "dbstore";

/** Ceph's S3 gateway in a container, with a bucket. */
export interface ObjectStoreServer {
  readonly options: ObjectStoreOptions;
  /** The same store with another user's key: `reader` may only get, `keeper` may not delete. */
  as(name: Exclude<keyof typeof KEYS, "owner">): ObjectStoreOptions;
  stop(): Promise<void>;
}

export async function startObjectStore(backend: CephBackend): Promise<ObjectStoreServer> {
  await docker(["build", "--network=host", "--tag", IMAGE, "test/compose/ceph"], {
    deadlineMillis: BUILD_DEADLINE_MILLIS,
  });
  const [port, monitorPort] = [await freePort(), await freePort()];
  const name = `assay-test-ceph-${randomUUID()}`;
  const keys = Object.entries(KEYS)
    .map(([user, secret]) => `${user}:${secret}`)
    .join(" ");
  const variables = [`PORT=${port}`, `MON_PORT=${monitorPort}`, `KEYS=${keys}`].flatMap((each) => ["--env", each]);
  await docker(["run", "--detach", "--network=host", "--name", name, ...variables, IMAGE, backend]);
  const stop = async (): Promise<void> => {
    await docker(["rm", "--force", "--volumes", name]);
  };
  const options: ObjectStoreOptions = {
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    bucket: BUCKET,
    prefix: "models/",
    pathStyle: true,
    accessKeyId: "owner",
    secretAccessKey: KEYS.owner,
  };
  try {
    await untilAnswers(options.endpoint);
    await makeBucket(options, backend);
  } catch (error) {
    const log = await docker(["logs", "--tail=40", name]).catch(String);
    await stop();
    throw new Error(`Ceph did not start\n${log}`, { cause: error });
  }
  const as = (user: "reader" | "keeper") => ({ ...options, accessKeyId: user, secretAccessKey: KEYS[user] });
  return { options, as, stop };
}

async function untilAnswers(endpoint: string): Promise<void> {
  const deadline = AbortSignal.timeout(START_DEADLINE_MILLIS);
  for (;;) {
    const response = await fetch(endpoint).catch(() => null);
    if (response?.status === 200) return;
    await setTimeout(POLL_MILLIS, undefined, { signal: deadline });
  }
}

async function makeBucket({ endpoint, region }: ObjectStoreOptions, backend: CephBackend): Promise<void> {
  const credentials = { accessKeyId: "owner", secretAccessKey: KEYS.owner };
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    if (backend === "rados") {
      const Policy = JSON.stringify({
        Version: "2012-10-17",
        Statement: [allow("reader", "GetObject"), allow("keeper", "GetObject", "PutObject")],
      });
      await client.send(new PutBucketPolicyCommand({ Bucket: BUCKET, Policy }));
    }
  } finally {
    client.destroy();
  }
}

function allow(user: string, ...actions: readonly string[]) {
  return {
    Effect: "Allow",
    Principal: { AWS: [`arn:aws:iam:::user/${user}`] },
    Action: actions.map((action) => `s3:${action}`),
    Resource: [`arn:aws:s3:::${BUCKET}/*`],
  };
}
