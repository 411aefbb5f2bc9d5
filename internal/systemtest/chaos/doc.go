// Package chaos tests the nodes of an application while they, their database and the networks
// between fail at random.
package chaos
