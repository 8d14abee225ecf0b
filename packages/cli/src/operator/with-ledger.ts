import { Ledger } from "@assay/ledger/ledger";

/** Reads from the validator's memory, also while the evaluator writes it. */
export async function withLedger<T>(path: string, read: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await Ledger.openReadOnly({ path });
  try {
    return await read(ledger);
  } finally {
    await ledger.stop();
  }
}
