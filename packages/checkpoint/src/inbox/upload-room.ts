import { statfs } from "node:fs/promises";

/** Room that one upload holds until it is let go. */
export interface TakenRoom {
  /** So many of its bytes are on the disk now, and no longer free. */
  wrote(bytes: number): void;
  release(): void;
}

/** How much is free for uploads, and how much one would have needed. */
export interface LackingRoom {
  readonly freeBytes: number;
  readonly neededBytes: number;
}

export type RoomResult =
  | { readonly kind: "taken"; readonly room: TakenRoom }
  | ({ readonly kind: "lacking" } & LackingRoom);

export interface UploadRoomOptions {
  /** A folder on the volume that uploads are written to. */
  readonly folder: string;
  /** Free bytes that uploads leave to others on the volume. */
  readonly reserveBytes: number;
}

/**
 * Room for uploads on a volume: what is free, less a reserve, less what the uploads under way have still to write.
 *
 * Others write there too, so an upload that has room may still find the disk full.
 */
export class UploadRoom {
  readonly #options: UploadRoomOptions;
  #promisedBytes = 0;

  constructor(options: UploadRoomOptions) {
    this.#options = options;
  }

  /** @param bytes of the upload; the least it can have when its length is not known. */
  async take(bytes: number): Promise<RoomResult> {
    const { folder, reserveBytes } = this.#options;
    // Before the disk is asked, so that of two at once only one gets the last room.
    this.#promisedBytes += bytes;
    let freeBytes = Number.NEGATIVE_INFINITY;
    try {
      const { bavail, bsize } = await statfs(folder);
      freeBytes = bavail * bsize - reserveBytes - (this.#promisedBytes - bytes);
    } finally {
      if (freeBytes < bytes) this.#promisedBytes -= bytes;
    }
    if (freeBytes < bytes) return { kind: "lacking", freeBytes: Math.max(0, freeBytes), neededBytes: bytes };
    return { kind: "taken", room: this.#taken(bytes) };
  }

  #taken(bytes: number): TakenRoom {
    let leftBytes = bytes;
    const use = (used: number) => {
      const counted = Math.min(used, leftBytes);
      leftBytes -= counted;
      this.#promisedBytes -= counted;
    };
    return { wrote: use, release: () => use(leftBytes) };
  }
}
