import { SESSION_PROTOCOL } from "@assay/checkpoint/session/session-secrets";
import type { HandlerOf } from "../api/register.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import { Refusal } from "../refusal.ts";
import type { SessionKeeper } from "../session/session-keeper.ts";
import { beginSession, isUpgrade } from "../session/upgrade.ts";
import { sendText } from "./send-text.ts";

export interface SessionComponents {
  readonly chainView: ChainViewFile;
  readonly sessions: SessionKeeper;
}

/** `GET /session`: the signed key; with `Upgrade: assay-session` the beginning of an encrypted session. */
export function sessionEndpoint({ chainView, sessions }: SessionComponents): HandlerOf<"session"> {
  return async function giveKey(request, response, { headers }) {
    const view = await chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const signed = sessions.signedKey(view);
    if (signed === null) {
      const detail = "The validator's hotkey has not signed this server's key yet";
      return new Refusal(503, "session_unavailable", detail, { "Retry-After": "12" });
    }
    if (!isUpgrade(request)) {
      response.set("Cache-Control", "no-store");
      sendText(response, "json", JSON.stringify(signed));
      return undefined;
    }
    const client = headers["x-session-key"];
    const begun = client === undefined ? null : sessions.begin(client);
    if (begun === null || request.get("upgrade")?.toLowerCase() !== SESSION_PROTOCOL) {
      return new Refusal(400, "header_invalid", `Upgrade must be ${SESSION_PROTOCOL}, and X-Session-Key a key`);
    }
    const { publicKey, secrets } = begun;
    const answer = {
      Connection: "Upgrade",
      Upgrade: SESSION_PROTOCOL,
      "Cache-Control": "no-store",
      "X-Session-Key": publicKey,
      "X-Session-Signed-Key": JSON.stringify(signed),
    };
    beginSession(request, response, answer, { sendKey: secrets.toClient, receiveKey: secrets.toServer });
    return undefined;
  };
}
