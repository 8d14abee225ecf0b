import type { Readable } from "node:stream";
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import type { Request, Response } from "express";
import { askForBody } from "../answer-at-once.ts";
import { Refusal } from "../refusal.ts";
import { CUT } from "../submissions/receive-upload.ts";
import { UploadStopped } from "../submissions/upload-sink.ts";

/** A form whose file has begun to come. */
export interface OpenForm {
  /** The fields before the file. */
  readonly fields: Readonly<Record<string, string>>;
  readonly fileName: string;
  /** The file's bytes, read from the request as they are taken from here. */
  readonly file: Readable;
  /** Leaves what still comes to whoever answers. */
  close(): void;
}

/** Fields are short and few, and come before the file. */
const LIMITS = {
  fieldNameSize: 64,
  fieldSize: 1_024,
  fields: 16,
  files: 1,
  parts: 17,
  headerPairs: 16,
  headerSize: 4_096,
};
const MAX_HEAD_BYTES = 16 * 1024;
/** Bytes of the file that lie ready; the disk is written to in pieces of this size. */
const FILE_BUFFER_BYTES = 256 * 1024;

/**
 * Reads a request's multipart form up to its file, and nothing of the file itself.
 *
 * @param headMillis how long the fields may take.
 * @returns CUT when the client went away meanwhile.
 */
export async function openForm(
  request: Request,
  response: Response,
  headMillis = 10_000,
): Promise<OpenForm | Refusal | typeof CUT> {
  const parser = parserFor(request);
  if (parser instanceof Refusal) {
    return parser;
  }
  askForBody(request, response);
  const opening = new FormOpening(request, parser);
  const timer = setTimeout(
    () =>
      opening.end(new Refusal(408, "request_timeout", `The form's fields did not come within ${headMillis / 1000} s`)),
    headMillis,
  );
  try {
    return await opening.form;
  } finally {
    clearTimeout(timer);
  }
}

function parserFor({ headers }: Request): BusboyInstance | Refusal {
  const type = headers["content-type"] ?? "";
  try {
    if (/^multipart\/form-data;/i.test(type) && headers["content-encoding"] === undefined) {
      const isPartAFile = (name: string | undefined) => name === "file";
      return new Busboy({ headers: { "content-type": type }, limits: LIMITS, fileHwm: FILE_BUFFER_BYTES, isPartAFile });
    }
  } catch {
    // No boundary, or one that cannot be.
  }
  return new Refusal(400, "content_type_unsupported", "Send multipart/form-data");
}

/** From the first byte of a body to the first of its file. */
class FormOpening {
  readonly #request: Request;
  readonly #parser: BusboyInstance;
  readonly #opened = Promise.withResolvers<OpenForm | Refusal | typeof CUT>();
  readonly #fields = new Map<string, string>();
  #file: Readable | null = null;
  #bytes = 0;

  constructor(request: Request, parser: BusboyInstance) {
    this.#request = request;
    this.#parser = parser;
    parser
      .on("field", (name, value, isNameCut, isCut) => this.#addField(name, value, isNameCut || isCut))
      .on("file", (_name, file, fileName) => this.#begin(file, fileName))
      .on("fieldsLimit", () => this.#refuse("The form has too many fields"))
      .on("partsLimit", () => this.#refuse("The form has too many parts"))
      .on("finish", () => this.#finish())
      .on("error", () => this.#refuse("The body is no form, or broke off"));
    request.once("close", this.#onClose).pipe(parser);
    // After the pipe's own listener, so that the parser has seen what is counted.
    request.on("data", this.#count);
    if (request.destroyed) {
      this.#onClose();
    }
  }

  get form(): Promise<OpenForm | Refusal | typeof CUT> {
    return this.#opened.promise;
  }

  /** Ends it before there is a file, or the file in the middle. */
  end(result: Refusal | typeof CUT): void {
    if (this.#file === null) {
      this.#close();
    } else {
      this.#file.destroy(result === CUT ? undefined : new UploadStopped(result));
    }
    this.#opened.resolve(result);
  }

  readonly #onClose = (): void => {
    if (!this.#request.readableEnded) {
      this.end(CUT);
    }
  };

  readonly #count = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#file === null && this.#bytes > MAX_HEAD_BYTES) {
      this.end(new Refusal(413, "too_large", `A form's fields have at most ${MAX_HEAD_BYTES} bytes`));
    }
  };

  #finish(): void {
    if (this.#file === null) {
      this.#refuse("The form has no field `file`");
    }
  }

  #refuse(detail: string): void {
    this.end(new Refusal(400, "body_invalid", detail));
  }

  #addField(name: string, value: string, isCut: boolean): void {
    if (isCut || this.#fields.has(name)) {
      this.#refuse("A field of the form is too long, or there twice");
    }
    this.#fields.set(name, value);
  }

  #begin(file: BusboyFileStream, fileName: string): void {
    this.#file = file;
    // The parser tells of what is wrong as well, and whoever reads the file sees it closed.
    file.on("error", () => undefined);
    const fields = Object.fromEntries(this.#fields);
    this.#opened.resolve({ fields, fileName: fileName ?? "", file, close: () => this.#close() });
  }

  #close(): void {
    this.#request.off("close", this.#onClose).off("data", this.#count).unpipe(this.#parser);
    this.#file?.destroy();
  }
}
