import type { CallContext, CallHandler } from "./call.ts";
import { ensure } from "./subtensor-check.ts";

const IPV4_MAX = (1n << 32n) - 1n;
const IPV4_LOCALHOST = 0x7f00_0001n;
const IPV6_LOCALHOST = 1n;
const IPV6_MAX = (1n << 128n) - 1n;

/** `SubtensorModule.serve_axon`: where a neuron can be reached. */
export const serveAxon: CallHandler = (context, args) => {
  const { subtensor, signer, block } = context;
  const netuid = args.number("netuid");
  const port = args.number("port");
  const ipType = args.number("ip_type");
  ensure(subtensor.numberOrNull("Uids", netuid, signer) !== null, "HotKeyNotRegisteredInNetwork");
  ensure(ipType === 4 || ipType === 6, "InvalidIpType");
  ensure(isServableAddress(ipType, args.bigint("ip")), "InvalidIpAddress");
  ensure(isServingRateOpen(context, netuid), "ServingRateLimitExceeded");
  ensure(port !== 0, "InvalidPort");
  const rest = ["version", "protocol", "placeholder1", "placeholder2"].map((name) => [name, args.number(name)]);
  const axon = { block, ip: args.bigint("ip"), port, ipType, ...Object.fromEntries(rest) };
  subtensor.put("Axons", [netuid, signer], axon);
  context.deposit("SubtensorModule", "AxonServed", [netuid, signer]);
};

/** Every address but the protocol's localhost and its broadcast; 0 is allowed, as on the real chain. */
function isServableAddress(ipType: 4 | 6, ip: bigint): boolean {
  if (ipType === 6) return ip !== IPV6_LOCALHOST && ip !== IPV6_MAX;
  return ip < IPV4_MAX && ip !== IPV4_LOCALHOST;
}

function isServingRateOpen({ subtensor, signer, block }: CallContext, netuid: number): boolean {
  const axon = subtensor.read("Axons", netuid, signer)?.toJSON() as { readonly block: number } | undefined;
  return axon === undefined || block - axon.block >= subtensor.number("ServingRateLimit", netuid);
}
