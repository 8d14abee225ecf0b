import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { type MergeTransportEnd, mergeTransportContract } from "@assay/testing/contracts/merge-transport-contract";
import { expect, test } from "vitest";
import { HttpMergeTransport } from "../../services/evaluator/src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { distributeView } from "../../services/model-server/test/chain-views.ts";
import { ServerFixture } from "../../services/model-server/test/server-fixture.ts";

const CYCLE = 7;

mergeTransportContract("the transport over two model servers", async () => {
  const signers = await Promise.all([0, 1].map((index) => loadHotkey({ uri: `//Validator//${index}` })));
  const servers = await Promise.all(signers.map((signer) => serverOf(signer, signers)));
  const opened: HttpMergeTransport[] = [];
  const endOf = (index: number): MergeTransportEnd => {
    const [signer, server] = [signers[index] as Signer, servers[index] as ServerFixture];
    const { layout } = server;
    const voice = voiceOf(signer);
    const head = () => ({ number: distributeView().block });
    const transport = new HttpMergeTransport({ layout, voice, head }, { allowPrivateAddresses: true });
    opened.push(transport);
    const hotkey = signer.address;
    return { hotkey, transport, peer: { hotkey, url: server.url }, folder: (cycle) => layout.exchangeFolder(cycle) };
  };
  return {
    ends: [endOf(0), endOf(1)],
    restartFirst: async () => endOf(0),
    stopFirst: async () => await servers[0]?.stopServing(),
    close: async () => {
      for (const transport of opened) transport[Symbol.dispose]();
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
});

/** The model server of a validator that knows the others as validators. */
async function serverOf({ address }: Signer, all: readonly Signer[]): Promise<ServerFixture> {
  const roster = all.map((signer, uid) => ({
    uid,
    hotkey: signer.address,
    role: "validator" as const,
    group: null,
    committedHash: null,
  }));
  const view = distributeView({ validatorHotkey: address, roster });
  const server = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock", view });
  return await server.serve();
}

test("a peer whose server does not know the ticket of the one before gets a signature again", async () => {
  const signers = await Promise.all([0, 1].map((index) => loadHotkey({ uri: `//Validator//${index}` })));
  const [peer, self] = signers as [Signer, Signer];
  await using before = await serverOf(peer, signers);
  await using after = await serverOf(peer, signers);
  const components = { layout: before.layout, voice: voiceOf(self), head: () => ({ number: distributeView().block }) };
  using transport = new HttpMergeTransport(components, { allowPrivateAddresses: true });
  const offer = async ({ layout }: ServerFixture, text: string): Promise<string> => {
    const sha256 = createHash("sha256").update(text).digest("hex");
    await mkdir(layout.exchangeFolder(CYCLE), { recursive: true });
    await writeFile(join(layout.exchangeFolder(CYCLE), "chunk"), text);
    const chunks = [{ sha256, path: "chunk", offset: 0, bytes: text.length }];
    await writeFile(layout.offeredChunks(CYCLE), JSON.stringify({ chunks }));
    return sha256;
  };
  const fetched = async (server: ServerFixture, text: string) => {
    const wanted = { sha256: await offer(server, text), bytes: { exactly: text.length } };
    const from = { hotkey: peer.address, url: server.url };
    return await transport.fetch(from, CYCLE, wanted, AbortSignal.timeout(20_000));
  };

  for (const [server, text] of [
    [before, "one"],
    [before, "two"],
    [after, "three"],
    [after, "four"],
  ] as const) {
    const chunk = await fetched(server, text);
    expect([text, chunk.kind === "fetched" && Buffer.from(chunk.bytes).toString()]).toEqual([text, text]);
  }
});
