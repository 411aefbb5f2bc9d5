import type { Answer, Failure, Problems } from "./frames";

/** The answer of an action. */
export interface Result<Out = unknown> {
  readonly status: number;
  readonly out: Out | undefined;
  readonly error: Failure | null;
  /** Messages by field name. The key "" holds messages about the whole input. */
  readonly problems: Problems;
  /** The page to show next after a form, or where the answer of any call redirects to, or "". */
  readonly location: string;
  /** Whether the call signed a user in or out, or set a cookie. */
  readonly session: boolean;
  /** Whether an earlier call with this key had already taken effect. If so, out may be missing. */
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
