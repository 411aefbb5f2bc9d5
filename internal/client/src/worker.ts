// What runs in the worker that pages share.

import { host, type Scope } from "./net/workerhost";

host(globalThis as unknown as Scope);
