import { littleEndian, type Pallet, plain } from "./pallet.ts";
import type { TypeTable } from "./type-table.ts";

/** The clock. Clients take twice `MinimumPeriod` for the time between blocks. */
export function timestampPallet(types: TypeTable, blockMillis: number): Pallet {
  return {
    name: "Timestamp",
    index: 2,
    crate: "pallet_timestamp",
    calls: [{ name: "set", fields: { now: types.compact(types.u64) } }],
    events: [],
    errors: [],
    constants: [{ name: "MinimumPeriod", type: types.u64, value: littleEndian(Math.ceil(blockMillis / 2), 8) }],
    storage: () => [plain("Now", types.u64, littleEndian(0, 8))],
  };
}
