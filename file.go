package tower

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
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
//	variants=thumb:200x200 square:400x400:fill  in a model only: smaller images that a job
//	                  makes of an image, which fit into that many pixels, or with :fill are cut
//	                  to them; see [File.Variant]
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

// Variant returns the path of a variant that the tower tag of the file's field declares: URL and
// its name. It is "" if there is no file. The program imports package images, which makes them:
//
//	import _ "github.com/towerkit/tower/images"
//
// Until the variant is made, and if the image is broken, the image itself is there.
func (f File) Variant(name string) string {
	if f.URL == "" {
		return ""
	}
	return f.URL + "/" + name
}

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

	Variants map[string]ID `json:"variants" tower:"private"`
}

// fileTable is how the packages within read and write the records of files.
var fileTable = &typed.Table[files.Entry]{
	Model: storedFiles.model,
	Read: func(rec any) files.Entry {
		r := rec.(*fileRecord)
		return files.Entry{ID: r.ID, Name: r.Name, Type: r.Type, Size: r.Size, Sum: r.Sum, State: r.State, Stored: r.Done, Parts: r.Parts, Party: r.Party, Hash: r.Hash, Changed: r.UpdatedAt, Variants: r.Variants}
	},
	Write: func(rec any, e *files.Entry) {
		r := rec.(*fileRecord)
		*r = fileRecord{Record: r.Record, Name: e.Name, Type: e.Type, Size: e.Size, Sum: e.Sum, State: e.State, Done: e.Stored, Parts: e.Parts, Party: e.Party, Hash: e.Hash, Variants: e.Variants}
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

// makeVariants makes the variants of an image that a record has.
var makeVariants = newJob[files.Scaling](ownPrefix+"variants", Queue(imageQueue), MaxAttempts(5))

// imageQueue is bounded: a decoded image needs much memory.
const imageQueue = "images"

func makeAll(ctx context.Context, app *App, s files.Scaling) error {
	err := app.app.Files().MakeVariants(ctx, s)
	if broken := (*files.BrokenError)(nil); errors.As(err, &broken) {
		err = Permanent(err)
	}
	return err
}

// enqueueVariants enqueues makeVariants, unless there is a job for that image.
func enqueueVariants(tx *store.Tx, s files.Scaling) error {
	args, err := json.Marshal(s)
	if err != nil {
		return err
	}
	o := makeVariants.options
	o.Key = string(s.File) // what other jobs leave out is made once it is asked for
	_, err = jobTable.Enqueue(context.Background(), tx, makeVariants.name, args, o)
	return err
}

// checkVariants returns an error if variants are declared and nothing makes them.
func (c Config) checkVariants() error {
	for _, m := range c.Models {
		for _, f := range m.erased().FileFields() {
			if f.File.Variants != nil && files.Scale == nil {
				return fmt.Errorf(`%s.%s has variants, and nothing makes them: add import _ "github.com/towerkit/tower/images"`, m.erased().Name, f.Name)
			}
		}
	}
	return nil
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
