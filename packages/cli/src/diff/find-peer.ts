import { hotkeyText } from "@assay/core/messages/fields";
import { axonUrl } from "@assay/core/round/axon-url";
import type { Hotkey } from "@assay/core/units";
import { CliError, CliErrorCode, usageError } from "../cli-error.ts";
import { withChain } from "../operator/chain-reader.ts";
import type { Operator } from "../operator/operator-options.ts";
import { ModelServer, typedServer } from "./model-server.ts";

/** Another validator's model server. */
export interface Peer {
  readonly server: ModelServer;
  /** Whose signature must stand there, as the chain says; null when nobody asked it. */
  readonly hotkey: Hotkey | null;
}

/**
 * Who is meant by an address, a hotkey or a uid.
 *
 * @throws CliError `CLI_USAGE` for none of them, `CLI_PEER_UNKNOWN` when the chain knows nobody there.
 */
export async function findPeer(text: string, operator: () => Operator, signal: AbortSignal): Promise<Peer> {
  if (/^https?:\/\//.test(text)) return { server: await typedServer(text), hotkey: null };
  const isUid = /^\d{1,5}$/.test(text);
  if (!isUid && !hotkeyText.safeParse(text).success) {
    throw usageError(`${JSON.stringify(text)} is neither an address (http://HOST:PORT), a hotkey nor a uid`);
  }
  const { netuid, allowPrivateAddresses, ...endpoints } = operator();
  const snapshot = await withChain(endpoints, signal, (chain) => chain.snapshot(netuid, chain.head().hash));
  const neuron = snapshot.neurons.find(({ uid, hotkey }) => (isUid ? uid === Number(text) : hotkey === text));
  if (neuron === undefined) throw unknown("Nobody of this uid or hotkey is on the subnet", { netuid, peer: text });
  const { uid, hotkey } = neuron;
  const url = axonUrl(neuron);
  if (url === null) throw unknown("The validator says no address on chain", { netuid, uid, hotkey });
  return { server: new ModelServer(url, { allowPrivateAddresses }), hotkey };
}

function unknown(message: string, fields: Readonly<Record<string, string | number>>): CliError {
  return new CliError(CliErrorCode.PeerUnknown, message, { fields });
}
