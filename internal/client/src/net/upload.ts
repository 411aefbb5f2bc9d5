import { TowerError } from "../wire/error";
import type { Failure } from "../wire/frames";

export interface UploadOptions {
  /** Receives how many bytes of how many have been sent. */
  onProgress?: (sent: number, total: number) => void;
  /** Stops the upload. */
  signal?: AbortSignal;
}

/** How far an upload is, as the server says. */
interface State {
  upload: string;
  chunk: number;
  offset: number;
  file?: string;
}

const path = "/_tower/uploads";
const mostFailures = 5; // of a server that answers
const longestPause = 10_000; // ms between two tries

/**
 * Uploads a file for a field of an action, `upload("POST /posts", "cover", file)`, and resolves with what stands for
 * it in the action's input. If the connection breaks, the upload goes on where it was, for as long as it takes. Rejects
 * with a TowerError, whose problems say what is wrong with the file, or if the signal stops it.
 */
export async function upload(route: string, field: string, file: Blob, { onProgress, signal }: UploadOptions = {}): Promise<string> {
  const name = "name" in file ? String(file.name) : "file";
  const begin = { for: route, field, name, size: file.size };
  let token = "";
  let state: State | null = null;
  for (let failures = 0; ; ) {
    try {
      if (!token) {
        state = await send("POST", { "Content-Type": "application/json" }, JSON.stringify(begin), signal);
        token = state.upload;
      }
      state ??= await send("GET", { "Tower-Upload": token }, null, signal);
      if (state.file !== undefined) return state.file;
      const { offset, chunk } = state;
      onProgress?.(offset, file.size);
      const part = file.slice(offset, offset + chunk);
      const headers = { "Tower-Upload": token, "Tower-Offset": String(offset), "Content-Type": "application/octet-stream" };
      state = await send("PATCH", headers, part, signal, sent => onProgress?.(offset + sent, file.size));
      failures = 0;
      if (state.file !== undefined) onProgress?.(file.size, file.size);
    } catch (error) {
      signal?.throwIfAborted();
      if (isFinal(error, failures)) throw error;
      state = null; // the server knows how far it is
      await pause(Math.min(longestPause, 250 * 2 ** failures++), signal);
    }
  }
}

/** Whether trying again would not help. */
function isFinal(error: unknown, failures: number): boolean {
  const passing = ["conflict", "too_slow", "unavailable"];
  if (failures < mostFailures) passing.push("internal", "bad_request"); // a chunk that was cut is a bad request
  return error instanceof TowerError && !passing.includes(error.code);
}

/** Sends a request. Rejects with a TowerError if the server refuses it, and with another error if it cannot be reached. */
function send(method: string, headers: Record<string, string>, body: string | Blob | null, signal?: AbortSignal, onSent?: (bytes: number) => void): Promise<State> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not say how much has been sent
    request.open(method, path);
    for (const [name, value] of Object.entries({ Accept: "application/json", ...headers })) request.setRequestHeader(name, value);
    request.responseType = "json";
    const stop = () => request.abort();
    signal?.addEventListener("abort", stop);
    if (onSent) request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onloadend = () => {
      signal?.removeEventListener("abort", stop);
      const answer = request.response as (State & { error?: Failure }) | null;
      if (request.status >= 200 && request.status < 300 && answer) resolve(answer);
      else if (answer?.error) reject(new TowerError(answer.error));
      else reject(new Error(`the upload broke off (${request.status})`));
    };
    request.send(body);
  });
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
