package erase

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/record"
)

// A journal keeps, beside the store, what an erasure must look for, until it is complete. It
// is on the disk before the records are deleted.
type journal struct {
	path string
	file *os.File
	note
	known map[string]bool
}

// A note is a line of a journal.
type note struct {
	Root  string   `json:"root"` // what is erased: "users/01J…"
	IDs   []string `json:"ids"`
	Texts []string `json:"texts"`
	Files []string `json:"files,omitempty"` // whose content is removed
	Short int      `json:"short"`           // texts that are too short to be searched for
}

func journalPath(data string) string { return data + ".erase" }

// Pending returns what a store is being erased of, by an erasure that is not complete: "" if
// there is none.
func Pending(data string) (root string, err error) {
	j := &journal{path: journalPath(data)}
	err = j.read()
	return j.Root, err
}

// openJournal opens the journal of an erasure, which may have begun before.
func openJournal(data, root string) (*journal, error) {
	j := &journal{path: journalPath(data)}
	if err := j.read(); err != nil {
		return nil, err
	}
	if j.Root != "" && j.Root != root {
		return nil, &UnfinishedError{j.Root}
	}
	var err error
	j.Root = root
	j.file, err = private.OpenShared(j.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	return j, err
}

// An UnfinishedError reports that another erasure must be completed first.
type UnfinishedError struct{ Root string }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("the erasure of %s was not completed; complete it first", e.Root)
}

func (j *journal) read() error {
	j.known = map[string]bool{}
	text, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var one note
		if json.Unmarshal(lines.Bytes(), &one) == nil { // else it was cut short, and nothing was deleted because of it
			j.take(one)
		}
	}
	return err
}

// take adds a note, and returns what of it is new.
func (j *journal) take(one note) note {
	unknown := func(text string) bool {
		if j.known[text] {
			return false
		}
		j.known[text] = true
		return true
	}
	fresh := note{Root: one.Root, Short: one.Short}
	for _, id := range one.Files {
		if unknown(id) {
			fresh.Files = append(fresh.Files, id)
		}
	}
	for _, id := range one.IDs {
		if unknown(id) {
			fresh.IDs = append(fresh.IDs, id)
		}
	}
	for _, text := range one.Texts {
		if unknown(text) {
			fresh.Texts = append(fresh.Texts, text)
		}
	}
	j.Files = append(j.Files, fresh.Files...)
	j.Root, j.IDs, j.Texts, j.Short = one.Root, append(j.IDs, fresh.IDs...), append(j.Texts, fresh.Texts...), j.Short+one.Short
	return fresh
}

// add notes records that are about to be deleted. It returns when the disk has them.
func (j *journal) add(images []*record.Image) error {
	one := note{Root: j.Root}
	for _, image := range images {
		one.Files = append(one.Files, filesOf(image)...)
		texts, short := textsOf(image)
		one.IDs = append(one.IDs, string(image.ID))
		one.Texts = append(one.Texts, texts...)
		one.Short += short
	}
	line, err := json.Marshal(j.take(one))
	if err != nil {
		return err
	}
	_, err = j.file.Write(slices.Concat([]byte("\n"), line, []byte("\n")))
	return errors.Join(err, j.file.Sync())
}

// filesOf returns the files that a record has.
func filesOf(image *record.Image) (ids []string) {
	for _, f := range image.Model.FileFields() {
		if file := image.File(f); file.ID != "" {
			ids = append(ids, string(file.ID))
		}
	}
	return ids
}

// close closes the journal, and removes it if the erasure is complete.
func (j *journal) close(complete bool) error {
	err := j.file.Close()
	if complete || len(j.IDs) == 0 {
		err = errors.Join(err, os.Remove(j.path))
	}
	return err
}
