import { stringToHex } from "@polkadot/util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChainFixture, MINER, NETUID, STRANGER } from "./chain-fixture.ts";

let fixture: ChainFixture;
beforeEach(async () => {
  fixture = await ChainFixture.start();
});
afterEach(() => fixture.stop());

describe("set_commitment", () => {
  const payload = stringToHex('{"e":1,"h":"5f7c"}');

  test("stores the bytes with the block", async () => {
    expect(await fixture.include(fixture.commitment({ Raw18: payload }), MINER)).toBeNull();
    expect(await fixture.query("commitments", "commitmentOf", NETUID, MINER.address)).toEqual({
      deposit: 0,
      block: 2,
      info: { fields: [{ raw18: payload }] },
    });
    expect(await fixture.query("commitments", "lastCommitment", NETUID, MINER.address)).toBe(2);
    const entries = await fixture.entry("commitments", "commitmentOf").entries(NETUID);
    expect(entries.map(([key]) => key.args[1]?.toString())).toEqual([MINER.address]);
  });

  test("takes no bytes, 128 bytes and three fields, not four", async () => {
    expect(await fixture.include(fixture.commitment({ Raw0: "0x" }), MINER)).toBeNull();
    expect(await fixture.include(fixture.commitment({ Raw128: `0x${"ab".repeat(128)}` }), MINER)).toBeNull();
    const field = { Raw1: "0x01" };
    expect(await fixture.include(fixture.commitment(field, field, field), MINER)).toBeNull();
    expect(await fixture.include(fixture.commitment(field, field, field, field), MINER)).toBe(
      "commitments.TooManyFieldsInCommitmentInfo",
    );
    expect(() => fixture.commitment({ Raw129: `0x${"ab".repeat(129)}` })).toThrow();
  });

  test("is refused to whom is not registered", async () => {
    expect(await fixture.include(fixture.commitment({ Raw18: payload }), STRANGER)).toBe(
      "commitments.AccountNotAllowedCommit",
    );
  });

  test("counts at least 100 bytes each and refuses more than MaxSpace an epoch", async () => {
    const { chain } = fixture;
    chain.writeStorage("Commitments", "MaxSpace", [], 300);
    chain.writeStorage("SubtensorModule", "Tempo", [NETUID], 10);
    const short = fixture.commitment({ Raw1: "0x01" });
    expect(await fixture.include(short, MINER)).toBeNull();
    expect(await fixture.include(fixture.commitment({ Raw128: `0x${"ab".repeat(128)}` }), MINER)).toBeNull();
    expect(await fixture.include(short, MINER)).toBe("commitments.SpaceLimitExceeded");
    chain.buildUntil(9);
    expect(await fixture.include(short, MINER)).toBeNull();
    expect(await fixture.query("commitments", "usedSpaceOf", NETUID, MINER.address)).toEqual({
      lastEpoch: 1,
      usedSpace: 100,
    });
  });
});

describe("serve_axon", () => {
  const serve = (ip: string, port = 8000, ipType = 4) => {
    const address = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    return fixture.call("subtensorModule", "serveAxon", NETUID, 1, address, port, ipType, 4, 0, 0);
  };

  test("stores where the neuron is", async () => {
    expect(await fixture.include(serve("8.8.8.8"), MINER)).toBeNull();
    expect(await fixture.query("subtensorModule", "axons", NETUID, MINER.address)).toEqual({
      block: 2,
      version: 1,
      ip: 0x08_08_08_08,
      port: 8000,
      ipType: 4,
      protocol: 4,
      placeholder1: 0,
      placeholder2: 0,
    });
  });

  test.each([
    ["127.0.0.1", 8000, 4, "InvalidIpAddress"],
    ["255.255.255.255", 8000, 4, "InvalidIpAddress"],
    ["0.0.0.1", 8000, 6, "InvalidIpAddress"],
    ["8.8.8.8", 8000, 5, "InvalidIpType"],
    ["8.8.8.8", 0, 4, "InvalidPort"],
  ])("of %s port %i type %i is refused with %s", async (ip, port, ipType, error) => {
    expect(await fixture.include(serve(ip, port, ipType), MINER)).toBe(`subtensorModule.${error}`);
  });

  test("is refused to whom is not registered, and too soon after the last", async () => {
    expect(await fixture.include(serve("8.8.8.8"), STRANGER)).toBe("subtensorModule.HotKeyNotRegisteredInNetwork");
    expect(await fixture.include(serve("8.8.8.8"), MINER)).toBeNull();
    expect(await fixture.include(serve("9.9.9.9"), MINER)).toBe("subtensorModule.ServingRateLimitExceeded");
  });
});
