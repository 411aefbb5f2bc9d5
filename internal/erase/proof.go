package erase

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/store"
)

// A Proof is what was searched for, and where it was not found.
type Proof struct {
	IDs    int      // of erased records
	Texts  int      // that they had
	Short  int      // texts that are too short to be searched for
	Shared []string // texts that other records have too, which were not searched for

	Files    int      // that were searched
	Bytes    int64    // in them
	Removed  []string // files that were removed
	Replaced int      // files of the archive that one backup has replaced
}

// A FoundError reports where something of an erased record was found.
type FoundError struct{ Places []string }

func (e *FoundError) Error() string {
	return "the erasure is not complete: " + strings.Join(e.Places, "; ")
}

// needles returns the ids, and the texts that no other record has.
func (e *erasure) needles(ctx context.Context) (*needles, error) {
	all := newNeedles(e.journal.IDs, e.journal.Texts, nil)
	shared := map[part]bool{}
	look := func(data []byte) {
		all.each(data, func(k int) {
			if one := all.list[k]; !one.id {
				shared[one.part] = true
			}
		})
	}
	look([]byte(e.By))
	look([]byte(e.App))
	if err := e.store.EachSetting(look); err != nil {
		return nil, err
	}
	if err := eachRow(ctx, e.store, func(_ string, row store.Row) {
		look(row.Public)
		look(row.Private)
	}); err != nil {
		return nil, err
	}
	rest := newNeedles(e.journal.IDs, e.journal.Texts, shared)
	searched := map[string]bool{}
	for _, one := range rest.list {
		searched[one.text] = !one.id
	}
	e.proof.Shared = nil
	for _, text := range e.journal.Texts {
		if !searched[text] {
			e.proof.Shared = append(e.proof.Shared, text)
		}
	}
	slices.Sort(e.proof.Shared)
	e.proof.IDs, e.proof.Short = len(e.journal.IDs), e.journal.Short
	e.proof.Texts = len(e.journal.Texts) - len(e.proof.Shared)
	return rest, nil
}

// prove searches everything that the application has.
func (e *erasure) prove(ctx context.Context) error {
	n, err := e.needles(ctx)
	if err != nil {
		return err
	}
	places := map[string]bool{}
	search := func(name string, content io.Reader) error {
		size, err := n.search(content, func(k int) {
			what := fmt.Sprintf("the text %.20q", n.list[k].text)
			if n.list[k].id {
				what = "the id " + n.list[k].text
			}
			places[what+" is in "+name] = true
		})
		e.proof.Files++
		e.proof.Bytes += size
		return err
	}
	paths, err := e.paths()
	for _, path := range paths {
		if err == nil {
			err = searchFile(ctx, path, search)
		}
	}
	if err == nil && e.Archive != nil {
		err = e.Archive.Search(ctx, func(name string, content io.Reader) error { return search(name+" of "+e.Archive.Place(), content) })
	}
	if err != nil {
		return err
	}
	if len(places) > 0 {
		found := slices.Sorted(maps.Keys(places))
		return &FoundError{found[:min(len(found), mostReasons)]}
	}
	return nil
}

// paths returns the store's file and all others beside it, and the backups in the
// application's folder.
func (e *erasure) paths() ([]string, error) {
	paths := e.cases()
	entries, err := os.ReadDir(filepath.Dir(e.Data))
	for _, entry := range entries {
		if path := filepath.Join(filepath.Dir(e.Data), entry.Name()); entry.Type().IsRegular() && path != e.journal.path {
			paths = append(paths, path)
		}
	}
	backups, _ := filepath.Glob(filepath.Join(e.Folder, "*.backup")) // the pattern is valid
	paths = append(paths, backups...)
	slices.Sort(paths)
	return slices.Compact(paths), err
}

// searchFile searches a file: of a backup, what is in it.
func searchFile(ctx context.Context, path string, search func(string, io.Reader) error) error {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil // it was temporary
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if filepath.Ext(path) == ".backup" {
		return archive.Unpack(ctx, file, func(content io.Reader) error { return search(path, content) })
	}
	return search(path, file)
}
