import type { ExtrinsicReceipt } from "@assay/chain/chain-client";
import { ChainError } from "@assay/chain/chain-error";
import type { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { ChainSession } from "@assay/chain/polkadot/session";
import type { DevChain } from "@assay/localnet/chain/dev-chain";
import { reached } from "@assay/testing/contracts/chain-client-scenario";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { RefusalScene } from "./refusal-scene.ts";
import { openRpcGate, type SendToClient } from "./rpc-gate.ts";
import { atEnd, COMMITMENT, clientOn, endAll, landedCount, startChain, WAIT_MILLIS } from "./test-chain.ts";

const SUBMIT = "author_submitAndWatchExtrinsic";
const NEXT_INDEX = "system_accountNextIndex";
const LIFE_BLOCKS = 12;

afterEach(endAll);

/** What goes wrong with the next request of its kind. */
type Trouble = "lost" | "banned" | "full" | "lagging" | "ahead";

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant("submit" as const) },
  { weight: 3, arbitrary: fc.constant("block" as const) },
  fc.constantFrom<Trouble | "foreign" | "abort" | "cut">(
    ...(["lost", "banned", "full", "lagging", "ahead", "foreign", "abort", "cut"] as const),
  ),
);

interface Submitted {
  readonly mark: number;
  readonly caller: AbortController;
  readonly nonces: number[];
  readonly ending: Promise<ExtrinsicReceipt | ChainError>;
  isOver: boolean;
}

/** One chain with one key that two processes sign with: our client, through a gate that makes trouble, and a stranger. */
class Interleaving {
  readonly chain: DevChain;
  readonly client: PolkadotChainClient;
  readonly submitted: Submitted[] = [];
  readonly #troubles: Set<Trouble>;
  #stranger: ChainSession | null = null;

  constructor(
    { chain, client }: { readonly chain: DevChain; readonly client: PolkadotChainClient },
    troubles: Set<Trouble>,
  ) {
    this.chain = chain;
    this.client = client;
    this.#troubles = troubles;
  }

  static async start(): Promise<Interleaving> {
    const chain = await startChain({ manual: true, finalityLag: 1, hyperparameters: { maxSpace: 1_000_000 } });
    const troubles = new Set<Trouble>();
    const gate = await openRpcGate(chain.url, ({ id, method }, send) => {
      const answer = method === SUBMIT ? poolTrouble(troubles) : method === NEXT_INDEX ? countTrouble(troubles) : null;
      if (answer === null) return false;
      void answer(chain, id, send);
      return true;
    });
    atEnd(() => gate.close());
    return new Interleaving({ chain, client: await clientOn([gate.url]) }, troubles);
  }

  async run(what: typeof step extends fc.Arbitrary<infer Step> ? Step : never): Promise<void> {
    if (what === "submit") this.submit();
    else if (what === "block") await this.build();
    else if (what === "foreign") await this.signAsStranger();
    else if (what === "abort") this.submitted.at(-1)?.caller.abort();
    else if (what === "cut") this.chain.dropConnections();
    else this.#troubles.add(what);
    await turn();
  }

  submit(): Submitted {
    const mark = this.submitted.length;
    const caller = new AbortController();
    const nonces: number[] = [];
    const live = this.submitted;
    const ending = this.client
      .submit(
        { ...COMMITMENT, bytes: Uint8Array.of(0xaa, mark) },
        {
          signal: caller.signal,
          deadlineBlock: this.client.head().number + LIFE_BLOCKS,
          onState: (state, { nonce }) => {
            if (state !== "signed") return;
            const rivals = live.filter((other) => !other.isOver && other.mark !== mark);
            for (const rival of rivals) expect(rival.nonces.at(-1), "two calls share a nonce").not.toBe(nonce);
            nonces.push(nonce);
          },
        },
      )
      .catch((error: unknown) => {
        if (error instanceof ChainError) return error;
        throw error;
      });
    const submitted: Submitted = { mark, caller, nonces, ending, isOver: false };
    void ending.finally(() => {
      submitted.isOver = true;
    });
    this.submitted.push(submitted);
    return submitted;
  }

  async build(): Promise<void> {
    const { number } = this.chain.buildBlock();
    await reached(this.client, number);
  }

  /** Builds until every call has ended. */
  async settle(): Promise<void> {
    this.#troubles.clear();
    const deadline = performance.now() + WAIT_MILLIS;
    while (this.submitted.some(({ isOver }) => !isOver)) {
      if (performance.now() > deadline) throw new Error("a call does not end");
      await this.build();
      await turn();
    }
  }

  async signAsStranger(): Promise<void> {
    const call = { pallet: "commitments", method: "setCommitment", parameters: [2, { fields: [{ Raw1: "0xbb" }] }] };
    const session = await this.stranger();
    const hex = await new RefusalScene(this.chain).signRaw(session, call);
    // Where our client was quicker with that nonce, the stranger is the one who is refused.
    await session.request("author_submitExtrinsic", [hex]).catch(ignoreRefusal);
  }

  /** A session of its own, opened anew when it was cut. */
  async stranger(): Promise<ChainSession> {
    if (this.#stranger !== null) return this.#stranger;
    const session = await new RefusalScene(this.chain).session();
    this.#stranger = session;
    session.onEnd(() => {
      this.#stranger = null;
    });
    return session;
  }

  /** Marks of the calls that blocks contain, as often as they do. */
  async landed(): Promise<readonly number[]> {
    const marks: number[] = [];
    const session = await this.stranger();
    for (let block = 1; block <= this.chain.head.number; block += 1) {
      const hash = await session.request<string>("chain_getBlockHash", [block]);
      const body = await session.request<{ block: { extrinsics: string[] } }>("chain_getBlock", [hash]);
      for (const hex of body.block.extrinsics) {
        const mark = /03aa([0-9a-f]{2})$/.exec(hex)?.[1];
        if (mark !== undefined) marks.push(Number.parseInt(mark, 16));
      }
    }
    return marks;
  }
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ChainError)) throw error;
}

type Answer = (chain: DevChain, id: number, send: SendToClient) => Promise<void> | void;

function poolTrouble(troubles: Set<Trouble>): Answer | null {
  if (troubles.delete("lost")) {
    return (_chain, id, send) => {
      send({ id, result: `lost${id}` });
      for (const result of ["ready", "dropped"]) {
        send({ method: "author_extrinsicUpdate", params: { subscription: `lost${id}`, result } });
      }
    };
  }
  if (troubles.delete("banned")) return (_chain, id, send) => send({ id, error: { code: 1012, message: "banned" } });
  if (troubles.delete("full")) return (_chain, id, send) => send({ id, error: { code: 1016, message: "dropped" } });
  return null;
}

/** A node that does not count the pool, and one whose pool holds two that no other has. */
function countTrouble(troubles: Set<Trouble>): Answer | null {
  const surplus = troubles.delete("lagging") ? 0 : troubles.delete("ahead") ? 2 : null;
  if (surplus === null) return null;
  return async (chain, id, send) => send({ id, result: Number(await landedCount(chain)) + surplus });
}

/** Lets everything run that waits for an answer of the chain in this process. */
async function turn(): Promise<void> {
  for (let rest = 0; rest < 5; rest += 1) await new Promise((resolve) => setTimeout(resolve, 4));
}

test("in any order of submissions, losses, strangers and cuts each call lands at most once, and no gap stays", async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
    const scene = await Interleaving.start();
    for (const each of steps) await scene.run(each);
    await scene.settle();
    const last = scene.submit();
    await scene.settle();
    expect(await last.ending, "a gap stays").toHaveProperty("blockHash");

    const landed = await scene.landed();
    for (const { mark, ending } of scene.submitted) {
      const times = landed.filter((each) => each === mark).length;
      const end = await ending;
      if (!(end instanceof ChainError)) expect(times, `call ${mark} ended well`).toBe(1);
      else if (end.code === "CHAIN_SUBMISSION_ABORTED") expect(times).toBeLessThanOrEqual(1);
      else expect(times, `call ${mark} ended with ${end.code}`).toBe(0);
    }
    await endAll();
  });
  await fc.assert(property, { numRuns: 12, seed: 425, endOnFailure: true });
}, 120_000);
