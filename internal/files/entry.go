package files

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Chunk is how many bytes of a file are stored together; the last chunk of a file may be smaller.
const Chunk = 4 << 20

// The states of a file.
const (
	Receiving = "receiving" // its content is not complete
	Stored    = "stored"
	Unused    = "unused" // no record refers to it; one still may
	Gone      = "gone"   // its content is being removed
)

// An Entry is the content of a file's record.
type Entry struct {
	ID      record.ID
	Name    string // as the client named it, without folders
	Type    string // as its first bytes say; "" until they are stored
	Size    int64  // -1 until it is known
	Sum     string // SHA-256 in hex, of a complete file
	State   string
	Stored  int64     // how many bytes of it are stored
	Parts   []string  // who has stored its chunks, "node*count" each, in order
	Hash    []byte    // state of the SHA-256 of what is stored
	Party   string    // the client that has uploaded it, until it is in a record
	Changed time.Time // its last change

	// Variants are the files of its variants by [record.Variant.Key], "" if the image is broken.
	Variants map[string]record.ID
}

// File returns what a record has of the file.
func (e *Entry) File() record.File {
	return record.File{ID: e.ID, Name: e.Name, Type: e.Type, Size: e.Size, Sum: e.Sum}
}

// chunks returns the names of the file's chunks in the place.
func (e *Entry) chunks() []string {
	var names []string
	for _, part := range e.Parts {
		node, count := cutPart(part)
		for range count {
			names = append(names, chunkName(e.ID, len(names), node))
		}
	}
	return names
}

// addChunk notes that a node has stored the next chunk.
func (e *Entry) addChunk(node string) {
	if last := len(e.Parts) - 1; last >= 0 {
		if of, count := cutPart(e.Parts[last]); of == node {
			e.Parts[last] = node + "*" + strconv.Itoa(count+1)
			return
		}
	}
	e.Parts = append(e.Parts, node+"*1")
}

func cutPart(part string) (node string, count int) {
	node, number, _ := strings.Cut(part, "*")
	count, _ = strconv.Atoi(number)
	return node, count
}

// chunkName returns the name of a chunk: no two processes write the same.
func chunkName(id record.ID, n int, node string) string {
	return fmt.Sprintf("%s/%06d-%s", id, n, node)
}

// change changes an entry in a transaction of its own.
func (f *Files) change(tx *store.Tx, id record.ID, fn func(*Entry) error) (e Entry, err error) {
	_, err = tx.Update(f.table.Model, id, func(rec any) error {
		e = f.table.Read(rec)
		e.Parts, e.Variants = slices.Clone(e.Parts), maps.Clone(e.Variants)
		if err := fn(&e); err != nil {
			return err
		}
		f.table.Write(rec, &e)
		return nil
	})
	return e, err
}

// ErrGone is the error of a file that is not there, or not complete.
var ErrGone = errors.New("the file is not there")

// An OffsetError reports that the next byte to receive is another one.
type OffsetError struct{ Next int64 }

func (e *OffsetError) Error() string {
	return fmt.Sprintf("the next byte of the file is %d", e.Next)
}

// A TooManyError reports that a client has uploaded as many files as it may before it uses them.
type TooManyError struct{ Most int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("you have uploaded %d files that are in no record yet; use them first", e.Most)
}

// A Refusal is why a content is not taken. Its text follows the name of the field.
type Refusal struct{ Problem string }

func (e *Refusal) Error() string { return "the file " + e.Problem }
