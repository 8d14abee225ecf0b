import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { TlsIdentity } from "@assay/runtime/http/server";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import { ModelServerError, ModelServerErrorCode } from "./model-server-error.ts";

export interface CertificatePaths {
  /** PEM, the server's certificate first, then those that lead to its authority. */
  readonly certificate: string;
  /** PEM, not encrypted. */
  readonly key: string;
}

/**
 * The certificate and key in two files.
 *
 * @throws ModelServerError `MODEL_SERVER_CERTIFICATE_INVALID` when they cannot be read or do not belong together.
 */
export async function readCertificate({ certificate, key }: CertificatePaths): Promise<TlsIdentity> {
  try {
    const [cert, secret] = await Promise.all([readFile(certificate, "utf8"), readFile(key, "utf8")]);
    createSecureContext({ cert, key: secret });
    return { cert, key: secret };
  } catch (cause) {
    throw new ModelServerError(ModelServerErrorCode.CertificateInvalid, "Cannot use the certificate and its key", {
      fields: { certificate, key },
      cause,
    });
  }
}

const INTERVAL_MILLIS = 30_000;

/**
 * Reads the files every half minute and calls `renew` when they changed, until the signal is aborted.
 *
 * By content and not by file events: renewals replace links and whole folders. While they cannot be used, for example
 * because only one of the two was replaced so far, the last good ones stay; that is said once.
 */
export async function watchCertificate(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  paths: CertificatePaths,
  first: TlsIdentity,
  { signal, renew }: { readonly signal: AbortSignal; readonly renew: (tls: TlsIdentity) => void },
): Promise<void> {
  let current = first;
  let isBroken = false;
  while (!signal.aborted) {
    await clock.sleep(INTERVAL_MILLIS, signal).catch(() => undefined);
    try {
      const next = await readCertificate(paths);
      isBroken = false;
      if (!signal.aborted && (next.cert !== current.cert || next.key !== current.key)) {
        renew(next);
        current = next;
        logger.info("Certificate renewed", { certificate: paths.certificate });
      }
    } catch (error) {
      if (!isBroken) {
        logger.warn("Cannot renew the certificate; the last one stays", {}, error);
      }
      isBroken = true;
    }
  }
}
