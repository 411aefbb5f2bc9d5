// Package database knows the addresses of databases that the nodes of an application share.
package database

import (
	"net/url"
	"strings"
)

// Is reports whether a text is the address of a database, and no path of a file.
func Is(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// Shown returns an address without what is secret in it.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		scheme, _, _ := strings.Cut(address, "://")
		return scheme + "://…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery, u.Fragment = "", "" // they may have a password too
	return u.String()
}
