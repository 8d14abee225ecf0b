import type { ExpertPlaces } from "../model/expert-places.ts";
import type { GroupLayout } from "../model/model-source.ts";
import { placedTensors } from "../model/placed-tensors.ts";
import { elementCount } from "../safetensors/dtype.ts";
import type { TensorPlace } from "../safetensors/tensor-place.ts";
import { inCanonicalOrder, type NamedTensor } from "../safetensors/write.ts";

/** Where some experts lie: of a version, or of a slice. */
export type Experts = Pick<ExpertPlaces, "of">;

/** A whole tensor, or one expert's block of a stacked one, of one of several files. */
export type BlockReader = (name: string, row: number) => TensorPlace;

/** A group's tensors in the order of its canonical file. Every file of floats for a group has its values in this order. */
export function canonicalTensors({ tensors }: GroupLayout): readonly NamedTensor[] {
  return inCanonicalOrder([...tensors].map(([name, tensor]) => ({ name, ...tensor })));
}

/** Number of values that a pseudo-gradient of the group has. */
export function valueCount(layout: GroupLayout): number {
  return canonicalTensors(layout).reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Where a group's blocks lie: tensor by tensor, of stacked ones expert by expert. */
export function blocksOf(experts: Experts, { experts: members }: Pick<GroupLayout, "experts">): BlockReader {
  const tensors = placedTensors(experts, members);
  return (name, row) => {
    const block = tensors.get(name)?.blocks[row];
    if (block === undefined) throw new RangeError(`Tensor ${name} has no row ${row}`);
    return block;
  };
}

/** The blocks of a group by name and row, in canonical order. */
export function* groupBlocks(
  experts: Experts,
  layout: GroupLayout,
): Generator<{ readonly name: string; readonly row: number; readonly place: TensorPlace }> {
  const tensors = placedTensors(experts, layout.experts);
  for (const { name } of canonicalTensors(layout)) {
    for (const [row, place] of (tensors.get(name)?.blocks ?? []).entries()) yield { name, row, place };
  }
}
