import { chainClientContract } from "@assay/testing/contracts/chain-client-contract";
import { hiddenWeightsContract } from "@assay/testing/contracts/hidden-weights-contract";
import { signingGuardContract } from "@assay/testing/contracts/signing-guard-contract";
import { startDevChainHarness } from "./dev-chain-harness.ts";

for (const metadataVersion of [14, 15, 16] as const) {
  chainClientContract(
    `PolkadotChainClient on a development chain with metadata V${metadataVersion}`,
    (setup) => startDevChainHarness(setup, { metadataVersion }),
    // Only since V15 do metadata describe what a metagraph is.
    { stakeIsTotal: metadataVersion > 14 },
  );
}
hiddenWeightsContract("PolkadotChainClient on a development chain", (setup) => startDevChainHarness(setup));
signingGuardContract("PolkadotChainClient on a development chain", (setup) => startDevChainHarness(setup));
