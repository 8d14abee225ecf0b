import { RpcError, RpcErrorCode } from "./rpc-error.ts";

/** A request's parameters, read by position. Anything of the wrong kind is the client's fault. */
export class Params {
  readonly #values: readonly unknown[];

  constructor(values: unknown) {
    if (!Array.isArray(values)) throw invalid("parameters are not a list");
    this.#values = values;
  }

  get length(): number {
    return this.#values.length;
  }

  at(position: number): unknown {
    return this.#values[position] ?? null;
  }

  string(position: number): string {
    const value = this.at(position);
    if (typeof value !== "string") throw invalid(`parameter ${position} is not a string`);
    return value;
  }

  stringOrNull(position: number): string | null {
    return this.at(position) === null ? null : this.string(position);
  }

  strings(position: number): readonly string[] {
    const value = this.at(position);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw invalid(`parameter ${position} is not a list of strings`);
    }
    return value;
  }

  count(position: number): number {
    const value = Number(this.at(position));
    if (!Number.isSafeInteger(value) || value < 0) throw invalid(`parameter ${position} is not a count`);
    return value;
  }
}

export function invalid(reason: string): RpcError {
  return new RpcError(RpcErrorCode.InvalidParams, "Invalid params", reason);
}
