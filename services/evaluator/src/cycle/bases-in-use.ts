import type { ModelVersion } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";

/** Versions that rounds need: of those that are open, and of closed ones whose receipts have yet to name the model. */
export async function basesInUse({
  rounds,
  receipts,
}: Pick<Ledger, "rounds" | "receipts">): Promise<readonly ModelVersion[]> {
  const closed = await Promise.all((await receipts.due()).map((id) => rounds.get(id)));
  return [...(await rounds.open()), ...closed.filter((record) => record !== null)].map(
    ({ round }) => round.baseVersion,
  );
}
