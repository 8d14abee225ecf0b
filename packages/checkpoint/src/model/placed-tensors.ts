import type { TensorShape } from "../safetensors/dtype.ts";
import type { TensorPlace } from "../safetensors/tensor-place.ts";
import type { GroupExperts } from "./expert-groups.ts";
import { expertOf } from "./expert-names.ts";
import type { ExpertPlaces } from "./expert-places.ts";

/** A tensor whose values lie in one place or, for stacked experts, row by row in several. */
export interface PlacedTensor extends TensorShape {
  readonly blocks: readonly TensorPlace[];
}

/** The tensors of some experts, by name. Stacked tensors hold them in the order given. */
export function placedTensors(
  places: Pick<ExpertPlaces, "of">,
  members: GroupExperts,
): ReadonlyMap<string, PlacedTensor> {
  const tensors = new Map<string, PlacedTensor>();
  for (const [layer, experts] of members) {
    const stacks = new Map<string, TensorPlace[]>();
    for (const expert of experts) {
      for (const [name, place] of places.of(layer, expert)) {
        if (expertOf(name)?.expert === null) push(stacks, name, place);
        else tensors.set(name, whole(place));
      }
    }
    for (const [name, blocks] of stacks) tensors.set(name, stackOf(blocks));
  }
  return tensors;
}

/** A tensor that lies in one place. */
export function whole(place: TensorPlace): PlacedTensor {
  return { dtype: place.dtype, shape: place.shape, blocks: [place] };
}

function stackOf(blocks: readonly TensorPlace[]): PlacedTensor {
  const [{ dtype, shape }] = blocks as [TensorPlace];
  return { dtype, shape: [blocks.length, ...shape], blocks };
}

function push(stacks: Map<string, TensorPlace[]>, name: string, place: TensorPlace): void {
  const blocks = stacks.get(name);
  if (blocks === undefined) stacks.set(name, [place]);
  else blocks.push(place);
}
