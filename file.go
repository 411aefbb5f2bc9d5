package tower

import (
	"context"
	"io"
	"reflect"

	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store/typed"
)

// A File is a field of a model, or of the input of an action: an image, a document, any file. A
// record has what is stated here, and the content is kept beside the store: see TOWER_FILES of
// [Main]. The zero File is none, and null in JSON.
//
//	type Post struct {
//		tower.Record
//		Title string     `json:"title"`
//		Cover tower.File `json:"cover" tower:"max=10MB,accept=image/png image/jpeg"`
//	}
//
// The tower tag of the field, in the model and in the input, states what is taken:
//
//	max=10MB          how large a file may be; KB, MB and GB are powers of 1024; default 100MB
//	accept=image/png image/*  the media types, which the first bytes of a file decide, and not
//	                  what the client says; default: all
//
// A client sends a file in a form, or uploads it with the browser library. An action receives
// it in its input when all of it is stored. It puts the File into a record like any other value:
//
//	post := &models.Post{Title: in.Title, Cover: in.Cover}
//
// The file can be downloaded at URL by whoever may see the record: the Match of the controller
// that owns the model decides with each request. A file that no record and no commit in the log
// refers to any more is removed.
type File struct {
	ID   ID     `json:"id"`   // of its content
	Name string `json:"name"` // as the client named it, without folders; not to be trusted
	Type string `json:"type"` // media type, by its first bytes: "image/png"
	Size int64  `json:"size"` // bytes
	Sum  string `json:"sum"`  // SHA-256, in hex
	URL  string `json:"url"`  // path at which it is downloaded, once it is in a record
}

// IsZero reports whether there is no file.
func (f File) IsZero() bool { return f == File{} }

// MarshalJSON encodes the file as an object, or as null.
func (f File) MarshalJSON() ([]byte, error) { return record.File(f).MarshalJSON() }

// UnmarshalJSON decodes a file that MarshalJSON has encoded.
func (f *File) UnmarshalJSON(data []byte) error { return (*record.File)(f).UnmarshalJSON(data) }

func init() { registerFile() }

// registerFile lets models have fields of type [File].
func registerFile() { record.RegisterFile(reflect.TypeFor[File]()) }

// storedFiles is the model of what is known of the content of files.
var storedFiles = newOwn[fileRecord]("tower_files")

type fileRecord struct {
	Record
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Size  int64    `json:"size"`
	Sum   string   `json:"sum"`
	State string   `json:"state"`
	Done  int64    `json:"done"`
	Party string   `json:"party" tower:"private,index"`
	Parts []string `json:"parts" tower:"private"`
	Hash  []byte   `json:"hash" tower:"private"`
}

// fileTable is how the packages within read and write the records of files.
var fileTable = &typed.Table[files.Entry]{
	Model: storedFiles.model,
	Read: func(rec any) files.Entry {
		r := rec.(*fileRecord)
		return files.Entry{ID: r.ID, Name: r.Name, Type: r.Type, Size: r.Size, Sum: r.Sum, State: r.State, Stored: r.Done, Parts: r.Parts, Party: r.Party, Hash: r.Hash, Changed: r.UpdatedAt}
	},
	Write: func(rec any, e *files.Entry) {
		r := rec.(*fileRecord)
		*r = fileRecord{Record: r.Record, Name: e.Name, Type: e.Type, Size: e.Size, Sum: e.Sum, State: e.State, Done: e.Stored, Parts: e.Parts, Party: e.Party, Hash: e.Hash}
	},
}

// sweepFiles removes the content of files that nothing refers to.
var sweepFiles = newJob[None](ownPrefix+"files", Unique("sweep"))

var everyNight = Every("17 3 * * *", "", sweepFiles, None{}, RunOnce)

func sweep(ctx context.Context, app *App, _ None) error {
	done, err := app.app.Files().Sweep(ctx)
	if err == nil && done.Removed+done.Orphans > 0 {
		app.Log().Info("files that nothing refers to are removed", "files", done.Removed, "chunks", done.Orphans)
	}
	return err
}

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
