// Package notes is the application that the scripts of package conformance talk to.
package notes

import (
	"context"

	"github.com/towerkit/tower"
)

// A Folder is what a note may be in.
type Folder struct {
	tower.Record
	Name string `json:"name" validate:"required"`
}

// A Note has a field of each kind that the scripts need.
type Note struct {
	tower.Record
	Title    string   `json:"title" validate:"required,max=40"`
	Likes    int      `json:"likes"`
	Public   bool     `json:"public"`
	Serial   int64    `json:"serial"`
	Rank     *int     `json:"rank"`
	FolderID tower.ID `json:"folderId" tower:"ref=folders"`
	Secret   string   `json:"secret" tower:"private"`
}

// The models of the application.
var (
	Folders = tower.NewModel[Folder]("folders")
	Notes   = tower.NewModel[Note]("notes")
)

type folderActions struct{ *tower.Connection }

type newFolder struct {
	Name string `json:"name"`
}

func (c *folderActions) Create(ctx context.Context, in newFolder) (*Folder, error) {
	folder := &Folder{Name: in.Name}
	return folder, Folders.Create(ctx, c, folder)
}

func (c *folderActions) Delete(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*tower.ID, error) {
	return &in.ID, Folders.Delete(ctx, c, in.ID)
}

type noteActions struct{ *tower.Connection }

type newNote struct {
	Title    string   `json:"title"`
	Likes    int      `json:"likes"`
	Public   bool     `json:"public"`
	Serial   int64    `json:"serial"`
	FolderID tower.ID `json:"folderId"`
}

func (in newNote) note() *Note {
	return &Note{Title: in.Title, Likes: in.Likes, Public: in.Public, Serial: in.Serial, FolderID: in.FolderID, Secret: "s3cret"}
}

func (c *noteActions) All(context.Context, struct{}) (tower.Scope[Note], error) {
	return Notes.All(), nil
}

func (c *noteActions) Public(context.Context, struct{}) (tower.Scope[Note], error) {
	note := Notes.Fields
	return Notes.Where(tower.Is(&note.Public, true)).Desc(&note.Likes), nil
}

func (c *noteActions) Top(context.Context, struct{}) (tower.Scope[Note], error) {
	note := Notes.Fields
	return Notes.All().Desc(&note.Likes).Limit(2), nil
}

func (c *noteActions) Filed(context.Context, struct{}) (tower.Scope[Note], error) {
	note := Notes.Fields
	return Notes.Where(tower.IsNot(&note.FolderID, "")).Include(&note.FolderID), nil
}

func (c *noteActions) Count(context.Context, struct{}) (tower.ValueScope[Note], error) {
	return Notes.All().AsCount(), nil
}

func (c *noteActions) Create(ctx context.Context, in newNote) (*Note, error) {
	note := in.note()
	return note, Notes.Create(ctx, c, note)
}

// CreateTwo makes two notes in one commit.
func (c *noteActions) CreateTwo(ctx context.Context, in struct {
	First  newNote `json:"first"`
	Second newNote `json:"second"`
}) (string, error) {
	return "done", c.Transaction(ctx, func(tx *tower.Tx) error {
		for _, note := range []newNote{in.First, in.Second} {
			if err := Notes.Create(ctx, tx, note.note()); err != nil {
				return err
			}
		}
		return nil
	})
}

type edit struct {
	ID    tower.ID `json:"id"`
	Title *string  `json:"title"`
	Likes *int     `json:"likes"`
	Rank  **int    `json:"rank"`
}

func (c *noteActions) Update(ctx context.Context, in edit) (*Note, error) {
	return Notes.Update(ctx, c, in.ID, func(note *Note) error { return tower.Assign(note, in) })
}

func (c *noteActions) Delete(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*tower.ID, error) {
	return &in.ID, Notes.Delete(ctx, c, in.ID)
}

// Config returns the configuration of the application, which docs/protocol.md describes.
func Config() tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	folders := tower.Mount(r, "folders", func(c *tower.Connection) *folderActions { return &folderActions{c} })
	tower.Action(folders, "POST /folders", (*folderActions).Create)
	tower.Action(folders, "DELETE /folders/{id}", (*folderActions).Delete)
	note := Notes.Fields
	notes := tower.Mount(r, "notes", func(c *tower.Connection) *noteActions { return &noteActions{c} })
	tower.Cursor(notes, "all", (*noteActions).All, tower.Narrow(Notes, &note.Title, &note.Likes, &note.Serial))
	tower.Cursor(notes, "public", (*noteActions).Public)
	tower.Cursor(notes, "top", (*noteActions).Top)
	tower.Cursor(notes, "filed", (*noteActions).Filed)
	tower.Value(notes, "count", (*noteActions).Count)
	tower.Action(notes, "POST /notes", (*noteActions).Create)
	tower.Action(notes, "POST /notes/two", (*noteActions).CreateTwo)
	tower.Action(notes, "PATCH /notes/{id}", (*noteActions).Update)
	tower.Action(notes, "DELETE /notes/{id}", (*noteActions).Delete)
	return tower.Config{Name: "notes", Models: []tower.AnyModel{Folders, Notes}, Routes: r}
}
