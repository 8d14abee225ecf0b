import { resolve } from "node:path";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { ObjectStore } from "@assay/checkpoint/object-store/object-store";
import { objectStoreName, objectStoreOptions } from "@assay/checkpoint/object-store/object-store-options";
import { WholeFiles } from "@assay/checkpoint/store/whole-files";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ModelServerConfig } from "../config.ts";
import { NginxOffload } from "./nginx-offload.ts";
import type { Offload } from "./offload.ts";
import { S3Offload } from "./s3-offload.ts";

/** The offload that is configured, and the parts that must be started before anybody asks for it. */
export function createOffload(
  { offload, object_store }: ModelServerConfig,
  layout: CheckpointLayout,
  logger: Logger,
): { readonly offload: Offload | null; readonly parts: readonly Startable[] } {
  switch (offload.kind) {
    case "none":
      return { offload: null, parts: [] };
    case "nginx": {
      const { folder, max_bytes: maxBytes, reserve_bytes: reserveBytes } = offload.nginx;
      const files = new WholeFiles({ logger }, { folder: resolve(folder), maxBytes, reserveBytes });
      return { offload: new NginxOffload(files), parts: [files] };
    }
    case "s3": {
      const options = objectStoreOptions(object_store);
      const record = { recordPath: layout.uploadedFiles, storeName: objectStoreName(options) };
      const store = new ObjectStore(options);
      const presignSeconds = offload.presign_seconds;
      return { offload: new S3Offload({ store, logger }, { ...record, presignSeconds }), parts: [] };
    }
  }
}
