import { type Device, type DeviceChoice, deviceName } from "@assay/evaluation/devices/device";
import { placeWorkers } from "@assay/evaluation/devices/placement";
import type { ProbeReport } from "@assay/evaluation/devices/probe";
import { EvaluationError, EvaluationErrorCode } from "@assay/evaluation/evaluation-error";
import type { EvaluationRequest, Evaluator, Measurement } from "@assay/evaluation/evaluator";
import type { Logger } from "@assay/runtime/logging/logger";
import { EvaluatorPool, type SharedEvaluator } from "./evaluator-pool.ts";

export interface PlacedEvaluatorsComponents {
  /** Tries this machine's devices, those named among them; null when another program answers for its own. */
  readonly probe: ((wanted: readonly Device[], signal: AbortSignal) => Promise<readonly ProbeReport[]>) | null;
  /** @param among how many evaluators share this machine's memory. */
  readonly create: (device: Device, among: number) => Evaluator;
  readonly logger: Logger;
}

export interface PlacedEvaluatorsOptions {
  readonly devices: DeviceChoice;
  /** 0 for one per device. */
  readonly workers: number;
}

/** Evaluators on the devices that an operator chose, as one. Which there are is found out at every start. */
export class PlacedEvaluators implements SharedEvaluator {
  readonly #components: PlacedEvaluatorsComponents;
  readonly #options: PlacedEvaluatorsOptions;
  readonly #logger: Logger;
  #placed: { readonly pool: EvaluatorPool; readonly size: number } | null = null;

  constructor(components: PlacedEvaluatorsComponents, options: PlacedEvaluatorsOptions) {
    this.#components = components;
    this.#options = options;
    this.#logger = components.logger.child({ module: "devices" });
  }

  /** How many measurements can run at once; 0 before `start`. */
  get size(): number {
    return this.#placed?.size ?? 0;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { devices: choice, workers } = this.#options;
    const reports = (await this.#components.probe?.(choice === "auto" ? [] : choice, signal)) ?? null;
    for (const report of reports ?? []) this.#log(report);
    const devices = placeWorkers(choice, workers, reports);
    this.#logger.info("Placed evaluators", { devices: devices.map(deviceName).join(" ") });
    const pool = new EvaluatorPool(devices.map((device) => this.#components.create(device, devices.length)));
    this.#placed = { pool, size: devices.length };
    await pool.start(signal);
  }

  async stop(): Promise<void> {
    await this.#placed?.pool.stop();
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal, began?: () => void): Promise<Measurement> {
    if (this.#placed === null) {
      throw new EvaluationError(EvaluationErrorCode.NotRunning, "The evaluators are not running");
    }
    return await this.#placed.pool.evaluate(request, signal, began);
  }

  #log({ device, why, millis }: ProbeReport): void {
    const fields = { device: deviceName(device), ms: millis };
    if (why === null) this.#logger.info("Device available", fields);
    else this.#logger.info("Device unavailable", { ...fields, why });
  }
}
