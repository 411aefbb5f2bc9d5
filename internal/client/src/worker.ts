// What runs in the worker that pages share.

import { runWorker, type WorkerScope } from "./net/workerhost";

runWorker(globalThis as unknown as WorkerScope);
