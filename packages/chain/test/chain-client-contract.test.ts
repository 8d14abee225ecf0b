import { chainClientContract } from "@assay/testing/contracts/chain-client-contract";
import { hiddenWeightsContract } from "@assay/testing/contracts/hidden-weights-contract";
import { signingGuardContract } from "@assay/testing/contracts/signing-guard-contract";
import { startDevChainHarness } from "./dev-chain-harness.ts";

chainClientContract("PolkadotChainClient on a development chain", startDevChainHarness);
hiddenWeightsContract("PolkadotChainClient on a development chain", startDevChainHarness);
signingGuardContract("PolkadotChainClient on a development chain", startDevChainHarness);
