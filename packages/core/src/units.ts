declare const unit: unique symbol;

/** A plain value that carries its meaning in its type: a block number is not a timestamp. */
export type Unit<Base, Name extends string> = Base & { readonly [unit]?: Name };

/** Height of a block on the subnet's chain (not a timestamp; about 12 s apart on finney). */
export type BlockNumber = Unit<number, "BlockNumber">;
/** Hash of a block, `0x` and 64 lower-case hexadecimal digits. */
export type BlockHash = Unit<string, "BlockHash">;
/** A neuron's slot on the subnet, 0…n-1. Slots are reused: pair it with a {@link Hotkey}. */
export type Uid = Unit<number, "Uid">;
/** A hotkey's address in ss58 with prefix 42. */
export type Hotkey = Unit<string, "Hotkey">;
/** Number of a subnet. */
export type Netuid = Unit<number, "Netuid">;
/** Number of an expert group of the shared model, 0…G-1. */
export type ExpertGroup = Unit<number, "ExpertGroup">;
/** Version of the global model: 0 is the model the validator was given, each merge adds one. */
export type ModelVersion = Unit<number, "ModelVersion">;
/** A round's id: the first block of its Submission phase. */
export type RoundId = Unit<number, "RoundId">;
/** SHA-256 of a file's bytes, 64 lower-case hexadecimal digits without prefix. */
export type Sha256Hex = Unit<string, "Sha256Hex">;
/** Mean cross-entropy in nats (ln, not log2) per counted token. */
export type NatsPerToken = Unit<number, "NatsPerToken">;
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMillis = Unit<number, "EpochMillis">;
