import { serveRequests } from "@assay/runtime/child/serve-requests";
import type { Device } from "./device.ts";
import { tryProduct } from "./test-product.ts";

/** Why the device cannot be used, or null. */
serveRequests<Device, string | null>(async (device) => {
  try {
    return await tryProduct(device);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
});
