// Package bench measures how fast an application's changes reach its clients, and how
// fast it writes records and lets clients resume. It is the program behind tower bench.
//
// [Run] measures an application beside the floor: a server of net/http, melody and
// bbolt alone, which shows the least that a message to every client and a durable write
// can cost on the same machine. It builds and starts the floor, starts the application
// through functions that the caller provides, and starts the caller's program once more
// as the load generator: one process that holds all clients and runs [ServeLoad]. Run
// sends it requests as lines of JSON, one at a time.
//
// The application and the floor are measured in turns. [Print] shows the medians and
// their ratios.
package bench
