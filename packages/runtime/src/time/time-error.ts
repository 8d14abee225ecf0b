import { AppError } from "@assay/core/app-error";

/** How waiting can fail. Codes are stable: dashboards and runbooks use them. */
export const TimeErrorCode = {
  /** Something took longer than its limit; `fields.label` says what. */
  Deadline: "TIME_DEADLINE",
} as const;
export type TimeErrorCode = (typeof TimeErrorCode)[keyof typeof TimeErrorCode];

export class TimeError extends AppError<TimeErrorCode> {}
