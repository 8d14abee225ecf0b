/** The round that every cycle of the bench merges. */
export const ROUND_ID = 31;
/** Newest block, by everybody. */
export const BLOCK = 136;
/** Whose submission each validator found best. */
export const MINER = { uid: 1, hotkey: "miner", w: 0.25 };
