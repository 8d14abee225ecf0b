import type { ChainClient } from "@assay/chain/chain-client";
import { type Merger, mergersOf } from "@assay/core/merging/mergers";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { Hotkey, Netuid } from "@assay/core/units";

/** With whom a cycle's merge is done. */
export type Company =
  /** Nobody else may merge. */
  | { readonly kind: "alone" }
  /** Others may and we may not: we have no permit, serve no axon, or the network does not name us. */
  | { readonly kind: "not_expected"; readonly others: readonly Hotkey[] }
  | { readonly kind: "together"; readonly others: ReadonlyMap<Hotkey, Merger>; readonly own: Merger };

/** Reads who merges at a round's snapshot: a fact of that block, so it is read once per round. */
export class MergeCompany {
  readonly #chain: Pick<ChainClient, "snapshot">;
  readonly #terms: { readonly netuid: Netuid; readonly network: Network; readonly self: Hotkey };
  #known: { readonly round: number; readonly company: Company } | null = null;

  constructor(
    { chain }: { readonly chain: Pick<ChainClient, "snapshot"> },
    terms: { readonly netuid: Netuid; readonly network: Network; readonly self: Hotkey },
  ) {
    this.#chain = chain;
    this.#terms = terms;
  }

  async of({ id, snapshotHash }: Pick<Round, "id" | "snapshotHash">): Promise<Company> {
    if (this.#known?.round === id) return this.#known.company;
    const { netuid, network, self } = this.#terms;
    const snapshot = await this.#chain.snapshot(netuid, snapshotHash);
    const company = companyOf(mergersOf(snapshot, network.merge.validators), self);
    this.#known = { round: id, company };
    return company;
  }
}

function companyOf(mergers: readonly Merger[], self: Hotkey): Company {
  const others = mergers.filter(({ hotkey }) => hotkey !== self);
  const own = mergers.find(({ hotkey }) => hotkey === self);
  if (others.length === 0) return { kind: "alone" };
  if (own === undefined) return { kind: "not_expected", others: others.map(({ hotkey }) => hotkey) };
  return { kind: "together", others: new Map(others.map((each) => [each.hotkey, each])), own };
}
