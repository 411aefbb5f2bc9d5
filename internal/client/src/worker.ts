// What runs in the worker that pages share.

import { host, type Scope } from "./host";

host(globalThis as unknown as Scope);
