import { chainClientContract } from "@assay/testing/contracts/chain-client-contract";
import { hiddenWeightsContract } from "@assay/testing/contracts/hidden-weights-contract";
import { signingGuardContract } from "@assay/testing/contracts/signing-guard-contract";
import { startDevChainHarness } from "./dev-chain-harness.ts";

for (const metadataVersion of [14, 15, 16] as const) {
  chainClientContract(`PolkadotChainClient on a development chain with metadata V${metadataVersion}`, (setup) =>
    startDevChainHarness(setup, { metadataVersion }),
  );
}
hiddenWeightsContract("PolkadotChainClient on a development chain", (setup) => startDevChainHarness(setup));
signingGuardContract("PolkadotChainClient on a development chain", (setup) => startDevChainHarness(setup));
