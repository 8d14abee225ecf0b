import { chainClientContract } from "@assay/testing/contracts/chain-client-contract";
import { startDevChainHarness } from "./dev-chain-harness.ts";

chainClientContract("PolkadotChainClient on a development chain", startDevChainHarness);
