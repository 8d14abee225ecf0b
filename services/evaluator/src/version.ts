/** Of this release: in metrics, and in the receipts that it signs. */
export const VERSION = "0.1.0";
