import { AppError } from "@assay/core/app-error";

/** Every way a simulated miner can fail. */
export const MinerErrorCode = {
  /** The configuration file is missing, is not JSON, or has a wrong field. */
  ConfigInvalid: "MINER_CONFIG_INVALID",
  /** The hotkey has no neuron on the subnet. */
  NotRegistered: "MINER_NOT_REGISTERED",
  /** The blocks in which a step can be done are over. */
  WindowClosed: "MINER_WINDOW_CLOSED",
  /** The model server refused a request, did not answer, or sent bytes that do not hash to what it said. */
  ServerRefused: "MINER_SERVER_REFUSED",
} as const;
export type MinerErrorCode = (typeof MinerErrorCode)[keyof typeof MinerErrorCode];

export class MinerError extends AppError<MinerErrorCode> {}
