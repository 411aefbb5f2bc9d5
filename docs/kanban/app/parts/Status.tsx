import { useEffect, useState, useSyncExternalStore } from "react";
import { connect } from "tower";
import { useConnection } from "tower/react";

/** Shows whether everything is saved. */
export function Status() {
  const { online, pending: all } = useConnection();
  const pending = useLasting(all > 0) || !online ? all : 0;
  const changes = pending === 1 ? "1 change" : `${pending} changes`;
  let text = pending ? `Saving ${changes}` : "Everything is saved";
  if (!online) text = pending ? `Offline. ${changes} will be saved` : "Offline";
  return (
    <p className="status" role="status" data-online={online} data-waits={pending > 0 || undefined}>
      {text}
    </p>
  );
}

/** Reports whether a condition has lasted for a moment, so that brief changes show nothing. */
function useLasting(now: boolean): boolean {
  const [lasting, setLasting] = useState(now);
  useEffect(() => {
    const timer = setTimeout(setLasting, now ? 400 : 0, now);
    return () => clearTimeout(timer);
  }, [now]);
  return now && lasting;
}

/** Lists the writes that the server refused. */
export function Refusals() {
  const { refused } = connect();
  const list = useSyncExternalStore(refused.subscribe, refused.getSnapshot);
  if (list.length === 0) return null;
  return (
    <aside role="alert">
      {list.map(({ key, error, dismiss }) => (
        <p key={key}>
          Not saved: {Object.entries(error.problems ?? { "": [error.message] }).map(([field, problems]) => `${field} ${problems.join(", ")}`).join("; ")}
          <button onClick={dismiss}>Dismiss</button>
        </p>
      ))}
    </aside>
  );
}
