// Package work tests processes that run the jobs of an application beside others, over
// PostgreSQL, and that are killed.
package work
