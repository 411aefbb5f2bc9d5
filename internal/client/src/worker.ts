// The script of the shared worker, which keeps one connection for several pages.

import { runWorker, type WorkerScope } from "./net/workerhost";

runWorker(globalThis as unknown as WorkerScope);
