import type { BlockNumber, Netuid } from "@assay/core/units";
import type { AuditTerms, ValidatorAudit } from "@assay/core/weights/audit/audit-validators";
import type { Problem } from "../operator/problem.ts";

/** What `assay audit` says. */
export interface Audit {
  readonly netuid: Netuid;
  /** The audited block. */
  readonly block: BlockNumber;
  /** The one that copies are told by; null where there is none. */
  readonly earlierBlock: BlockNumber | null;
  /** Whether the subnet hides weights. */
  readonly commitReveal: boolean;
  readonly terms: AuditTerms & { readonly copyDistance: number };
  /** Everybody with a permit, by uid. */
  readonly validators: readonly ValidatorAudit[];
  readonly problems: readonly Problem[];
}
