package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A sqlState is the code of an error that the server has sent; empty for other errors.
type sqlState string

const (
	uniqueViolation     sqlState = "23505"
	lockNotAvailable    sqlState = "55P03"
	deadlockDetected    sqlState = "40P01"
	serializationFailed sqlState = "40001"
	idleInTransaction   sqlState = "25P03"
	wrongPassword       sqlState = "28P01"
	notAuthorized       sqlState = "28000"
	noDatabase          sqlState = "3D000"
	noRight             sqlState = "42501"
	undefinedTable      sqlState = "42P01"
	undefinedColumn     sqlState = "42703"
	wrongType           sqlState = "42804"
	tooMany             sqlState = "53300"
	readOnly            sqlState = "25006"
	diskFull            sqlState = "53100"
)

func code(err error) sqlState {
	var sent *pgconn.PgError
	if errors.As(err, &sent) {
		return sqlState(sent.Code)
	}
	return ""
}

// again reports whether it helps to begin a turn again.
func (s sqlState) again() bool {
	switch s {
	case uniqueViolation, lockNotAvailable, deadlockDetected, serializationFailed, idleInTransaction:
		return true
	}
	return false
}

// misfits reports whether a table is not as it was when the node began.
func (s sqlState) misfits() bool {
	return s == undefinedTable || s == undefinedColumn || s == wrongType
}

// diskFails reports whether the server cannot write because its disk is full, or fails.
func (s sqlState) diskFails() bool { return s == diskFull || strings.HasPrefix(string(s), "58") }

// explain adds to an error what it means and what to do. No password is in it.
func explain(c *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("%s:%d", c.Host, c.Port)
	var unknown *net.DNSError
	switch code(err) {
	case wrongPassword:
		return fmt.Errorf("PostgreSQL at %s refuses the password of the user %s: set the right one in the address", where, c.User)
	case notAuthorized:
		return fmt.Errorf("PostgreSQL at %s does not let the user %s in: see its pg_hba.conf: %w", where, c.User, unwrapped(err))
	case noDatabase:
		return fmt.Errorf("PostgreSQL at %s has no database %s: make it with CREATE DATABASE %s", where, c.Database, pgx.Identifier{c.Database}.Sanitize())
	case noRight:
		return fmt.Errorf("the user %s lacks a right in the database %s: as its owner, GRANT CREATE ON DATABASE %s TO %s: %w",
			c.User, c.Database, pgx.Identifier{c.Database}.Sanitize(), pgx.Identifier{c.User}.Sanitize(), unwrapped(err))
	case tooMany:
		return fmt.Errorf("PostgreSQL at %s has no connection left: raise its max_connections: %w", where, unwrapped(err))
	}
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the host %s of PostgreSQL is not known: %w", c.Host, unknown)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: is PostgreSQL running there?", where)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("PostgreSQL at %s does not answer: %w", where, context.DeadlineExceeded)
	}
	return unwrapped(err)
}

// unwrapped returns the innermost cause of an error to connect or to read an address: what is
// around it names the address.
func unwrapped(err error) error {
	var sent *pgconn.PgError
	if errors.As(err, &sent) {
		return sent
	}
	var connect *pgconn.ConnectError
	var parse *pgconn.ParseConfigError
	if errors.As(err, &connect) || errors.As(err, &parse) {
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
	}
	return err
}
