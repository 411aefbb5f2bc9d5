package tower

import (
	"context"
	"io"
)

// A Place keeps files by name, for the archive of an application's store. Names have parts
// separated by slashes. A folder of the machine is a place that tower knows; package s3 has
// another. Its methods are called by several goroutines at once.
type Place interface {
	// Put stores a file of size bytes, wholly or not at all. It replaces a file of that
	// name.
	Put(ctx context.Context, name string, content io.Reader, size int64) error

	// Get opens a file. The error is [io/fs.ErrNotExist] if there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)

	// List returns the names of all files, sorted.
	List(ctx context.Context) ([]string, error)

	// Delete removes a file, if there is one.
	Delete(ctx context.Context, name string) error

	// String names the place in logs. It holds no secret.
	String() string
}
