// Package jobs runs the jobs of an application: work that happens later, once, by a worker
// of some process of the application.
//
// # What is stored
//
// A job is a record of the model [Table] names. Whatever happens to it is a commit: the one
// that causes it creates it, a worker's commit takes it, and another finishes it. Where a job
// stands is the state of its record:
//
//	waiting    until it is due: new, to be tried again, or given back
//	running    a worker has it
//	done       its handler has returned without an error, or has completed it
//	dead       its last try has failed
//	cancelled  it was cancelled before it was done
//
// The field slot, an index, puts jobs in the order in which workers and upkeep look for them.
// Times are in microseconds since 1970, 17 digits:
//
//	w/QUEUE/PRIORITY/TIME  waiting until a time
//	r/TIME                 running; TIME is the end of the lease, or 0 without one
//	f/TIME                 done or cancelled, and kept until a time
//	d/TIME                 dead since a time
//
// So a worker finds what is due by one lookup for each queue and priority, whatever else
// waits. The field key, unique, is set while a job with a key waits or runs.
//
// # Who has a job
//
// A running job belongs to a worker's process and to one try: the fields worker and attempt.
// Each commit of the try reads the record and compares both, so that a try that has lost its
// job commits nothing more. A process that has the store for itself takes back what ran in
// the one before when it starts. Processes that share a log have leases, which they renew; a
// job whose lease has expired is taken back by whoever sees that first.
package jobs
