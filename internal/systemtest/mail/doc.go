// Package mail tests applications that send mail, from the call to a server that takes it.
package mail
