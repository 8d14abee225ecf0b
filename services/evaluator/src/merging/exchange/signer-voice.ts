import type { Signer } from "@assay/chain/hotkey";
import { verifySignature } from "@assay/chain/verify-signature";
import type { Voice } from "@assay/core/merging/exchange/voice";
import { decodeBase64Url, encodeBase64Url } from "@assay/core/messages/base64url";

/** The voice in a merge of whoever holds a hotkey. */
export function voiceOf({ address, sign }: Signer): Voice {
  return {
    hotkey: address,
    sign: (bytes) => encodeBase64Url(sign(bytes)),
    isSignedBy: (hotkey, signature, bytes) => {
      const decoded = decodeBase64Url(signature);
      return decoded !== null && verifySignature(bytes, decoded, hotkey);
    },
  };
}
