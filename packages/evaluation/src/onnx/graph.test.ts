import { describe, expect, test } from "vitest";
import { ElementType } from "./encoder.ts";
import { Graph } from "./graph.ts";
import { InferenceSession, Tensor } from "./runtime.ts";

describe("Graph", () => {
  test("encodes the smallest model to the bytes that protobuf prescribes", () => {
    const graph = new Graph("g");
    graph.input("x", ElementType.float32, [2]);
    graph.node("Neg", ["x"], {}, { name: "y" });
    graph.output("y", ElementType.float32, ["N"]);

    expect(Buffer.from(graph.model()).toString("hex")).toBe(
      [
        "080a", // ir_version 10
        "12056173736179", // producer_name "assay"
        "3a3a", // graph, 58 bytes
        "0a12", // node, 18 bytes
        "0a0178120179", // input x, output y
        "1a054e65673a79", // name "Neg:y"
        "22034e6567", // op_type Neg
        "120167", // name g
        "5a0f0a0178120a0a08080112040a020802", // input x float32[2]
        "62100a0179120b0a09080112050a0312014e", // output y float32[N]
        "42040a001017", // opset 23 of the default domain
      ].join(""),
    );
  });

  test("runs a model with integer, float, list and text attributes", async () => {
    const graph = new Graph("attributes");
    graph.input("x", ElementType.float32, [2, 3]);
    const turned = graph.node("Transpose", ["x"], { perm: [1, 0] });
    const leaky = graph.node("LeakyRelu", [turned], { alpha: { float: 0.5 } });
    const summed = graph.node("ReduceSum", [leaky, graph.int64(-1)], { keepdims: 0 });
    graph.node("ScatterND", [summed, "at", "by"], { reduction: "add" }, { name: "y" });
    graph.input("at", ElementType.int64, [1, 1]);
    graph.input("by", ElementType.float32, [1]);
    graph.output("y", ElementType.float32, [3]);

    const session = await InferenceSession.create(graph.model());
    const { y } = await session.run({
      x: new Tensor("float32", [1, -2, 3, 4, 5, -6], [2, 3]),
      at: new Tensor("int64", [2n], [1, 1]),
      by: new Tensor("float32", [10], [1]),
    });

    expect(Array.from(y?.data as Float32Array)).toEqual([5, 4, 10]);
  });

  test("stores equal constants once and keeps scalars apart from vectors", () => {
    const graph = new Graph("constants");

    expect(graph.int64(1, 2)).toBe(graph.int64(1, 2));
    expect(graph.int64(3)).not.toBe(graph.int64Scalar(3));
    expect(graph.float32(3)).not.toBe(graph.int64(3));
    expect(graph.initializers.map(({ dims }) => dims)).toEqual([[2], [1], [], [1]]);
  });

  test("names several outputs and makes up the names that are not given", () => {
    const graph = new Graph("names");

    const [values, indices] = graph.node("TopK", ["x", "k"], { axis: -1 }, { outputs: 2 });
    const named = graph.node("TopK", ["x", "k"], { axis: -1 }, { names: ["v", "i"] });

    expect([values, indices, ...named]).toEqual(["TopK_0", "TopK_0_1", "v", "i"]);
  });

  test("refuses a fraction given as an integer attribute", () => {
    const graph = new Graph("fraction");
    graph.node("LeakyRelu", ["x"], { alpha: 0.5 });

    expect(() => graph.model()).toThrow("Attribute alpha is 0.5; a number that is no integer is given as { float }");
  });
});
