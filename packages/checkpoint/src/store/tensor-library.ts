import { type FileHandle, open } from "node:fs/promises";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { SafetensorsHeader } from "../safetensors/header.ts";
import { readTrustedHeader, tensorChunks } from "../safetensors/read.ts";
import type { TensorSource } from "../safetensors/write.ts";

/** The tensors of several open safetensors files, as sources that read when their turn comes. */
export class TensorLibrary {
  readonly #files: FileHandle[] = [];
  readonly #sources = new Map<string, TensorSource>();
  readonly #fileOf = new Map<string, string>();

  /** Opens trusted files; the caller closes. A tensor in two files is an error. */
  static async open(paths: readonly string[]): Promise<TensorLibrary> {
    const library = new TensorLibrary();
    try {
      for (const path of paths) await library.#add(path);
      return library;
    } catch (error) {
      await library.close();
      throw error;
    }
  }

  get sources(): readonly TensorSource[] {
    return [...this.#sources.values()];
  }

  /** The path of the file that a tensor is in. */
  fileOf(name: string): string | undefined {
    return this.#fileOf.get(name);
  }

  async close(): Promise<void> {
    for (const file of this.#files.splice(0)) await file.close();
  }

  async #add(path: string): Promise<void> {
    const file = await open(path, "r");
    this.#files.push(file);
    const header = await readTrustedHeader(file, path);
    for (const [name, source] of sourcesOf(file, header)) {
      const other = this.#fileOf.get(name);
      if (other !== undefined) {
        throw new CheckpointError(CheckpointErrorCode.TensorsDiffer, "A tensor is in two files", {
          fields: { tensor: name, path, other },
        });
      }
      this.#sources.set(name, source);
      this.#fileOf.set(name, path);
    }
  }
}

function sourcesOf(file: FileHandle, header: SafetensorsHeader): readonly (readonly [string, TensorSource])[] {
  return [...header.tensors].map(([name, entry]) => {
    const { dtype, shape } = entry;
    return [name, { name, dtype, shape, chunks: () => tensorChunks(file, header, entry) }] as const;
  });
}
