import type { Answer, Failure, Problems } from "./frames";

export interface Result<Out = unknown> {
  readonly status: number;
  readonly out: Out | undefined;
  readonly error: Failure | null;
  /** Messages by field; "" holds those of the whole. */
  readonly problems: Problems;
  /** Where a form's sender goes next; "" if nowhere. */
  readonly location: string;
  /** Whether someone has been signed in or out. */
  readonly session: boolean;
  /** Whether it had taken effect when it was sent before; out may not be known any more then. */
  readonly repeated: boolean;
}

export function resultOf<Out>(answer: Answer): Result<Out> {
  return {
    status: answer.status,
    out: answer.out as Out | undefined,
    error: answer.error ?? null,
    problems: answer.error?.problems ?? {},
    location: answer.location ?? "",
    session: Boolean(answer.session),
    repeated: Boolean(answer.repeated),
  };
}
