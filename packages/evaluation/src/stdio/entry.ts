import { parseArgs } from "node:util";
import { deviceName, parseDevices } from "../devices/device.ts";
import { EngineOnDemand } from "./engine-on-demand.ts";
import { serveLosses } from "./serve.ts";

const { values } = parseArgs({
  options: { device: { type: "string", default: "cpu" }, threads: { type: "string", default: "1" } },
});
const devices = parseDevices(values.device);
const [device] = devices === null || devices === "auto" ? [] : devices;
const threads = Number(values.threads);
if (device === undefined || !(Number.isInteger(threads) && threads > 0)) {
  process.stderr.write("usage: entry [--device=cpu|cuda:N|webgpu] [--threads=N]\n");
  process.exit(2);
}
await serveLosses(new EngineOnDemand({ device, threads }), {
  name: "assay engine",
  device: deviceName(device),
  input: process.stdin,
  output: process.stdout,
});
