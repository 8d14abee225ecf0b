import { z } from "zod";
import type { ExpertGroup, Sha256Hex, Uid } from "../../units.ts";
import { type ChunkTable, type Envelope, envelopeSchema, tableChunksSchema } from "./statement.ts";

/** `statements.json` of a cycle's exchange: what `GET /merge/:cycle/statements` answers. */
export interface ShownStatements {
  readonly statements: readonly Envelope[];
}

/** `chunks.json` of a cycle's exchange: where the bytes lie that may be fetched by their digest. */
export interface OfferedChunks {
  readonly chunks: readonly {
    readonly sha256: Sha256Hex;
    /** Relative to the folder of the cycle's exchange, with `/` between its parts: nothing outside can be offered. */
    readonly path: string;
    readonly offset: number;
    readonly bytes: number;
  }[];
}

/** `own.json` of a cycle's exchange: what was made to be offered, so that a restart offers the same. */
export interface OwnGradients {
  readonly groups: readonly (ChunkTable & {
    readonly group: ExpertGroup;
    /** Relative to the folder of the cycle's exchange. */
    readonly file: string;
    readonly values: number;
    readonly squares: number;
    /** Whose submissions it averages. */
    readonly uids: readonly Uid[];
  })[];
}

/** Of one member: an announcement, results and a final, of two attempts, each said twice. */
const MOST_STATEMENTS = 256 * 4 * 2;
/** All groups of a member and the averages of two attempts: 8 TiB in chunks of 8 MiB. */
const MOST_CHUNKS = 2 ** 20;

/** Reads {@link ShownStatements} from a stranger and refuses anything else. Signatures are not looked at. */
export const shownStatementsSchema: z.ZodType<ShownStatements> = z.strictObject({
  statements: z.array(envelopeSchema).max(MOST_STATEMENTS),
});

/** Reads {@link OfferedChunks} and refuses anything else, a path that leaves its folder too. */
export const offeredChunksSchema: z.ZodType<OfferedChunks> = z.strictObject({
  chunks: z
    .array(
      z.strictObject({
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        path: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/),
        offset: z.int().nonnegative(),
        bytes: z.int().positive(),
      }),
    )
    .max(MOST_CHUNKS),
});

/** Reads {@link OwnGradients}, which we wrote ourselves. */
export const ownGradientsSchema: z.ZodType<OwnGradients> = z.strictObject({
  groups: z.array(
    z.strictObject({
      group: z.int().nonnegative(),
      file: z.string(),
      values: z.int().positive(),
      squares: z.number().nonnegative(),
      chunks: tableChunksSchema,
      uids: z.array(z.int().nonnegative()),
    }),
  ),
});
