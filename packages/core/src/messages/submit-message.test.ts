import { describe, expect, test } from "vitest";
import { pushLocation, submitMessageBytes, submitMessageSchema } from "./submit-message.ts";

const hotkey = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const signature = "A".repeat(86);
const body = {
  hotkey,
  expert_group: 2,
  checkpoint_url: "https://miner.example:8443/checkpoints/7.safetensors?v=1",
  block_number: 12_345,
  signature,
};

describe("the bytes of a submit message", () => {
  test("are five lines", () => {
    const bytes = submitMessageBytes({ hotkey, expertGroup: 2, location: body.checkpoint_url, blockNumber: 12_345 });
    expect(new TextDecoder().decode(bytes)).toBe(
      `bz-submit-v1\n${hotkey}\n2\nhttps://miner.example:8443/checkpoints/7.safetensors?v=1\n12345`,
    );
  });

  test("name the digest of an uploaded file", () => {
    const location = pushLocation("ab".repeat(32));
    expect(location).toBe(`sha256:${"ab".repeat(32)}`);
    const bytes = submitMessageBytes({ hotkey, expertGroup: 0, location, blockNumber: 1 });
    expect(new TextDecoder().decode(bytes)).toBe(`bz-submit-v1\n${hotkey}\n0\n${location}\n1`);
  });

  test("cannot be shifted by a line break", () => {
    const message = { hotkey, expertGroup: 2, location: "https://a.example/\n9", blockNumber: 1 };
    expect(() => submitMessageBytes(message)).toThrow(RangeError);
  });
});

describe("the body of a submission", () => {
  test("is taken as published, with or without padding of the signature", () => {
    expect(submitMessageSchema.parse(body)).toEqual(body);
    expect(submitMessageSchema.safeParse({ ...body, signature: `${signature}==` }).success).toBe(true);
  });

  test.each([
    ["a line break in the URL", { checkpoint_url: "https://a.example/x\ny" }],
    ["a tab in the URL", { checkpoint_url: "https://a.example/\tx" }],
    ["a line separator in the URL", { checkpoint_url: "https://a.example/\u2028x" }],
    ["a file URL", { checkpoint_url: "file:///etc/passwd" }],
    ["credentials in the URL", { checkpoint_url: "https://user:pass@a.example/x" }],
    ["no URL", { checkpoint_url: "checkpoint" }],
    ["a very long URL", { checkpoint_url: `https://a.example/${"x".repeat(2048)}` }],
    ["a negative block", { block_number: -1 }],
    ["a block in text", { block_number: "12345" }],
    ["half a group", { expert_group: 0.5 }],
    ["a group beyond u16", { expert_group: 65_536 }],
    ["a hotkey of another network", { hotkey: "1GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY" }],
    ["a hotkey with a line break", { hotkey: `${hotkey}\n` }],
    ["a short signature", { signature: "A".repeat(85) }],
    ["an unsigned extra field", { note: "hello" }],
  ])("is refused with %s", (_, change) => {
    expect(submitMessageSchema.safeParse({ ...body, ...change }).success).toBe(false);
  });
});
