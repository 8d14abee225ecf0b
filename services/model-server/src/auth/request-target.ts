import type { ChainView } from "@assay/core/chain-view";
import type { Request } from "express";
import { Refusal } from "../refusal.ts";

/** Why a request that says which validator it is for (`X-Target`) is not for this one; null when it is, or does not say. */
export function checkTarget(request: Request, { validatorHotkey }: ChainView): Refusal | null {
  const target = request.get("x-target");
  return target === undefined || target === validatorHotkey
    ? null
    : new Refusal(403, "wrong_target", `This validator's hotkey is ${validatorHotkey}`);
}
