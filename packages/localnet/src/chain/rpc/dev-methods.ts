import type { Hotkey } from "@assay/core/units";
import { z } from "zod";
import type { DevControls } from "../dev-controls.ts";
import { ABANDONED_EXTRINSICS } from "../fork.ts";
import { hyperparametersSchema, newNeuronSchema, present } from "../subnet-json.ts";
import type { RpcMethod, RpcMethods } from "./methods.ts";
import { invalid, type Params } from "./params.ts";

const count = z.int().nonnegative();
const hex = z.string().regex(/^0x([0-9a-f]{2})*$/);

const fork = z.strictObject({
  depth: z.int().positive(),
  length: z.int().positive().optional(),
  extrinsics: z.enum(ABANDONED_EXTRINSICS).optional(),
});
const upgrade = z.strictObject({
  specVersion: count.optional(),
  withoutCalls: z.array(z.string()).optional(),
});

/** What a test in another process may ask of the chain: the methods that only a development chain has. */
export function devMethods(controls: DevControls): RpcMethods {
  return {
    dev_newBlock: method([], () => controls.buildBlock().hash),
    dev_pause: method([], () => controls.pause()),
    dev_resume: method([], () => controls.resume()),
    dev_missBlocks: method([z.int().positive()], (slots) => controls.missBlocks(slots)),
    dev_fork: method([fork], (terms) => controls.fork({ ...present(terms), depth: terms.depth }).hash),
    dev_stallFinality: method([], () => controls.stallFinality()),
    dev_resumeFinality: method([], () => controls.resumeFinality()),
    dev_setFinalityLag: method([z.int().positive()], (blocks) => controls.setFinalityLag(blocks)),
    dev_upgradeRuntime: method([upgrade], (terms) => controls.upgradeRuntime(present(terms))),
    dev_pruneBelow: method([count], (block) => controls.pruneBelow(block)),
    dev_dropPool: method([], () => controls.dropPool()),
    dev_setPoolChecks: method([z.boolean()], (poolChecks) => controls.setPoolChecks(poolChecks)),
    dev_dropConnections: method([], () => {
      // The answer leaves before the connection that it goes to is cut.
      setImmediate(() => controls.dropConnections());
    }),
    dev_register: method([newNeuronSchema], (neuron) => controls.register(neuron)),
    dev_deregister: method([z.string()], (hotkey) => controls.deregister(hotkey as Hotkey)),
    dev_setHyperparameters: method([hyperparametersSchema], (rules) => controls.setHyperparameters(rules)),
    dev_scheduleEpoch: method([count], (block) => controls.scheduleEpoch(block)),
    dev_setStorage: method([z.array(z.tuple([hex, hex.nullable()]))], (entries) => {
      for (const [key, value] of entries) controls.writeKey(key, value);
      return controls.head.hash;
    }),
  };
}

type Outputs<Schemas extends readonly z.ZodType[]> = { [Place in keyof Schemas]: z.output<Schemas[Place]> };

/** A method whose parameters are exactly these; whatever the chain refuses is the client's mistake too. */
function method<Schemas extends readonly z.ZodType[]>(
  schemas: readonly [...Schemas],
  run: (...args: Outputs<Schemas>) => unknown,
): RpcMethod {
  return (params: Params) => {
    if (params.length > schemas.length) throw invalid(`there are more than ${schemas.length} parameters`);
    const args = schemas.map((schema, place) => {
      const parsed = schema.safeParse(params.at(place));
      if (!parsed.success) throw invalid(`parameter ${place}: ${z.prettifyError(parsed.error)}`);
      return parsed.data;
    });
    try {
      return run(...(args as unknown as Outputs<Schemas>));
    } catch (error) {
      if (error instanceof RangeError) throw invalid(error.message);
      throw error;
    }
  };
}
