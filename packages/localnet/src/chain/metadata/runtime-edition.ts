import { COMMON_EXTENSIONS, type SigningExtension, UNKNOWN_EXTENSIONS } from "./signing-extensions.ts";

export const METADATA_VERSIONS = [14, 15, 16] as const;
/** Formats in which runtimes describe themselves: 14 until 2023, 15 with runtime APIs, 16 with today's. */
export type MetadataVersion = (typeof METADATA_VERSIONS)[number];

/**
 * How a runtime of some time shows itself to clients: what it offers, and by which names. The chain's own code always
 * works on today's names and on everything that any edition has.
 */
export interface RuntimeEdition {
  /** The newest format that it serves; 14 comes from `state_getMetadata` alone, as runtime APIs are in none before 15. */
  readonly newestMetadata: MetadataVersion;
  /** What it does not offer: calls, storage items, errors and methods of APIs as `Owner.name`, whole pallets and APIs. */
  readonly hidden: readonly string[];
  /** Its own names of errors, by today's: `SubtensorModule.SubnetNotExists`. */
  readonly errorNames: Readonly<Record<string, string>>;
  /** Added to the index of every error: runtimes renumber them. */
  readonly errorShift: number;
  /** What every signature covers besides the call, in order. */
  readonly extensions: readonly SigningExtension[];
  /** Since spec 407 epochs are counted in storage; before, they followed from the block's number. */
  readonly epochs: "counted" | "by_number";
  /** Blocks between two commitments of one account; null where the space of an epoch is limited instead (spec 248). */
  readonly commitmentRateBlocks: number | null;
  /** How its pool words that the signer's stake is too low, by call in camel case; empty for the numbers of spec 425. */
  readonly stakeRefusals: Readonly<Record<string, string>>;
}

const OLD_ITEMS = [
  "SubtensorModule.TotalHotkeyStake",
  "SubtensorModule.WeightsMinStake",
  "Commitments.CommitmentSetRateLimitExceeded",
];

/** As of spec 425, but for the format of the metadata. */
export const TODAYS_EDITION: RuntimeEdition = {
  newestMetadata: 15,
  hidden: OLD_ITEMS,
  errorNames: {},
  errorShift: 0,
  extensions: [
    ...COMMON_EXTENSIONS,
    "SudoTransactionExtension",
    "CheckShieldedTxValidity",
    "SubtensorTransactionExtension",
    "DrandPriority",
    "CheckMetadataHash",
  ],
  epochs: "counted",
  commitmentRateBlocks: null,
  stakeRefusals: {},
};

/** Today's edition with extensions that no client of today knows; they add nothing to an extrinsic. */
export const TOMORROWS_EDITION: RuntimeEdition = {
  ...TODAYS_EDITION,
  newestMetadata: 16,
  extensions: [...TODAYS_EDITION.extensions, ...UNKNOWN_EXTENSIONS],
};

const SINCE_218 = [
  "SubtensorModule.TotalHotkeyAlpha",
  "SubtensorModule.StakeThreshold",
  "SubtensorModule.TaoWeight",
  "SubtensorModule.SubnetOwnerHotkey",
  "SubtensorModule.LastEpochBlock",
  "SubtensorModule.PendingEpochAt",
  "SubtensorModule.SubnetEpochIndex",
  "SubtensorModule.TimelockedWeightCommits",
  "SubtensorModule.CommitRevealWeightsVersion",
  "SubtensorModule.commit_timelocked_weights",
  "SubtensorModule.set_mechanism_weights",
  "SubtensorModule.MechanismCountCurrent",
  "Commitments.MaxSpace",
  "Commitments.UsedSpaceOf",
  "NeuronInfoRuntimeApi",
  "SubnetInfoRuntimeApi",
];

/** The reference's runtime of early 2025: hashes of weights, no metagraph, epochs by number. */
export const EDITION_218: RuntimeEdition = {
  ...TODAYS_EDITION,
  newestMetadata: 15,
  hidden: SINCE_218,
  errorNames: { "SubtensorModule.SubnetNotExists": "SubNetworkDoesNotExist" },
  extensions: [...COMMON_EXTENSIONS, "SubtensorSignedExtension", "CommitmentsSignedExtension", "CheckMetadataHash"],
  epochs: "by_number",
  commitmentRateBlocks: 100,
  stakeRefusals: {
    setWeights: "Custom error: 3",
    commitWeights: "Custom error: 1",
    revealWeights: "Custom error: 2",
  },
};

/** The runtime of 2023: plain weights only, metadata without runtime APIs, other names of most errors. */
export const EDITION_143: RuntimeEdition = {
  ...EDITION_218,
  newestMetadata: 14,
  hidden: [
    ...SINCE_218,
    "SubtensorModule.commit_weights",
    "SubtensorModule.reveal_weights",
    "SubtensorModule.CommitRevealWeightsEnabled",
    "SubtensorModule.RevealPeriodEpochs",
    "SubtensorModule.WeightCommits",
    "Drand",
  ],
  errorNames: {
    "SubtensorModule.SubnetNotExists": "NetworkDoesNotExist",
    "SubtensorModule.HotKeyNotRegisteredInSubNet": "NotRegistered",
    "SubtensorModule.NeuronNoValidatorPermit": "NoValidatorPermit",
    "SubtensorModule.UidVecContainInvalidOne": "InvalidUid",
    "SubtensorModule.WeightVecLengthIsLow": "NotSettingEnoughWeights",
    "SubtensorModule.IncorrectWeightVersionKey": "IncorrectNetworkVersionKey",
    "SubtensorModule.UidsLengthExceedUidsInSubNet": "TooManyUids",
    "Commitments.AccountNotAllowedCommit": "CannotCommit",
    "Commitments.CommitmentSetRateLimitExceeded": "RateLimitExceeded",
  },
  extensions: [...COMMON_EXTENSIONS, "SubtensorSignedExtension", "CommitmentsSignedExtension"],
  stakeRefusals: { setWeights: "Transaction call is not expected" },
};
