// Package requestid gives an id to each request, to each frame of a connection that asks for
// something, and to each request of a console. The id stands in the log, and in the answer
// where that does not say everything. A context carries it.
package requestid

import (
	"context"
	"math/rand/v2"
)

const digits = "0123456789abcdef"

// New returns an id: 16 hexadecimal digits. Ids are random, so that programs that run side by
// side, or one after another, do not give the same.
func New() string {
	var text [16]byte
	for n, i := rand.Uint64(), 0; i < len(text); i++ {
		text[i] = digits[n&15]
		n >>= 4
	}
	return string(text[:])
}

// Key is the key of the id in a context. Its value is a string.
type Key struct{}

// With returns a context that carries an id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, Key{}, id) }

// Of returns the id that a context carries, "" if there is none.
func Of(ctx context.Context) string {
	id, _ := ctx.Value(Key{}).(string)
	return id
}
