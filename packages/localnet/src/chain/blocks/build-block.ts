import { u8aToHex } from "@assay/chain/polkadot/library";
import type { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import type { Netuid } from "@assay/core/units";
import type { RuntimeEdition } from "../metadata/runtime-edition.ts";
import { BLOCK_HASH_COUNT } from "../metadata/system-pallet.ts";
import type { SignedExtrinsic } from "../pool/signed-extrinsic.ts";
import { advanceBeacon } from "../runtime/beacon-pulses.ts";
import { type CallContext, DispatchFailure } from "../runtime/call.ts";
import { dispatchCall } from "../runtime/dispatch.ts";
import { advanceEpoch } from "../runtime/epoch.ts";
import type { RootAction } from "../runtime/root-action.ts";
import { revealTimelocked } from "../runtime/timelocked-reveal.ts";
import { PalletStorage } from "../state/pallet-storage.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import type { StateChanges, StateReader } from "../state/state-history.ts";
import { StateOverlay } from "../state/state-overlay.ts";
import type { Block } from "./block.ts";
import { EventLog } from "./event-log.ts";
import { sealBlock } from "./seal.ts";

export interface BlockTask {
  readonly codec: RuntimeCodec;
  readonly edition: RuntimeEdition;
  readonly netuid: Netuid;
  readonly parent: Block;
  readonly parentState: StateReader;
  /** What the chain's root does before the block's extrinsics. */
  readonly actions: readonly RootAction[];
  /** In the order of execution; each one's nonce is its account's next. */
  readonly extrinsics: readonly SignedExtrinsic[];
  readonly timestamp: number;
  /** Number of the fork that the block's branch began with; null on the chain's first branch. */
  readonly fork: number | null;
  readonly permitsByStake: boolean;
  readonly beacon: OwnBeacon;
  /** Hears of a call that broke instead of being refused: a bug of the chain's, not of the signer's. */
  readonly onBrokenCall: (error: unknown) => void;
}

export interface BuiltBlock {
  readonly block: Block;
  readonly changes: StateChanges;
}

/** Executes extrinsics on the parent's state. A refused or broken call fails its extrinsic and never the block. */
export function buildBlock(task: BlockTask): BuiltBlock {
  const { codec, parent, timestamp } = task;
  const state = new StateOverlay(task.parentState);
  const events = new EventLog(codec);
  act(task, state);
  initialize(task, state);
  reveal(task, state, events);
  const inherent = u8aToHex(codec.timestampExtrinsic(timestamp));
  events.succeeded(0);
  for (const [position, extrinsic] of task.extrinsics.entries()) {
    execute(task, { state, events, extrinsic, index: position + 1 });
  }
  const system = new PalletStorage(codec, state, "System");
  system.put("EventCount", [], events.length);
  state.set(codec.storageKey("System", "Events", []), events.toScale());
  const extrinsics = [inherent, ...task.extrinsics.map(({ hex }) => hex)];
  const block = sealBlock(codec, { parent, extrinsics, timestamp, changes: state.changes, fork: task.fork });
  return { block, changes: state.changes };
}

/** An action that breaks leaves nothing behind. */
function act({ codec, netuid, parent, actions, onBrokenCall }: BlockTask, state: StateOverlay): void {
  for (const action of actions) {
    const scratch = new StateOverlay(state);
    try {
      action({ codec, netuid, block: parent.number + 1, state: scratch });
      state.take(scratch.changes);
    } catch (error) {
      onBrokenCall(error);
    }
  }
}

function initialize(task: BlockTask, state: StateOverlay): void {
  const { codec, edition, netuid, parent, timestamp, permitsByStake } = task;
  const system = new PalletStorage(codec, state, "System");
  const number = parent.number + 1;
  system.put("Number", [], number);
  system.put("ParentHash", [], parent.hash);
  system.put("BlockHash", [parent.number], parent.hash);
  if (parent.number >= BLOCK_HASH_COUNT) system.remove("BlockHash", [parent.number - BLOCK_HASH_COUNT]);
  new PalletStorage(codec, state, "Timestamp").put("Now", [], timestamp);
  advanceEpoch(new PalletStorage(codec, state, "SubtensorModule"), {
    netuid,
    block: number,
    permitsByStake,
    epochs: edition.epochs,
  });
}

/** Before the extrinsics: the beacon's newest round, and the weights that it opens. */
function reveal(
  { codec, edition, netuid, parent, timestamp, beacon }: BlockTask,
  state: StateOverlay,
  events: EventLog,
): void {
  advanceBeacon(new PalletStorage(codec, state, "Drand"), beacon, timestamp);
  const deposit: CallContext["deposit"] = (pallet, event, fields) => events.deposit(pallet, event, fields, null);
  revealTimelocked({ codec, edition, netuid, block: parent.number + 1, state, beacon, deposit });
}

interface Execution {
  readonly state: StateOverlay;
  readonly events: EventLog;
  readonly extrinsic: SignedExtrinsic;
  readonly index: number;
}

function execute(task: BlockTask, { state, events, extrinsic, index }: Execution): void {
  raiseNonce(new PalletStorage(task.codec, state, "System"), extrinsic);
  const scratch = new StateOverlay(state);
  const eventsBefore = events.length;
  try {
    const deposit: CallContext["deposit"] = (pallet, event, fields) => events.deposit(pallet, event, fields, index);
    const { codec, edition, parent } = task;
    dispatchCall({ codec, edition, block: parent.number + 1, state: scratch, deposit }, extrinsic);
    state.take(scratch.changes);
    events.succeeded(index);
  } catch (error) {
    events.truncate(eventsBefore);
    const isRefusal = error instanceof DispatchFailure;
    events.failed(isRefusal ? error : null, index);
    if (!isRefusal) task.onBrokenCall(error);
  }
}

function raiseNonce(system: PalletStorage, { signer, nonce }: SignedExtrinsic): void {
  const account = system.read("Account", signer)?.toJSON() as Readonly<Record<string, unknown>>;
  system.put("Account", [signer], { ...account, nonce: nonce + 1 });
}
