import type { ChainView } from "@assay/core/chain-view";
import type { Hotkey } from "@assay/core/units";
import { Refusal } from "../refusal.ts";

/** Why a request that says which validator it is for is not for this one; null when it is, or does not say. */
export function checkTarget(target: Hotkey | undefined, { validatorHotkey }: ChainView): Refusal | null {
  return target === undefined || target === validatorHotkey
    ? null
    : new Refusal(403, "wrong_target", `This validator's hotkey is ${validatorHotkey}`);
}
