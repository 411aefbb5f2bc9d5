package files

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/erase"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
)

// uploads are the files of an application, as an erasure sees them.
type uploads struct {
	*files.Files
	app *server.App
}

func (u uploads) UploadedBy(ctx context.Context, user record.ID) ([]record.ID, error) {
	return u.app.UploadedBy(ctx, user)
}

// The files of an erased person are gone at once, with their variants, copies in the archive and uploads
// that are in no record. What others have stays.
func TestAnErasureRemovesFiles(t *testing.T) {
	backup := t.TempDir()
	t.Setenv("TOWER_BACKUP", backup)
	w := open(t)
	w.create(w.ada, image("ada.png", redAndBlue(300, 200, false)), anything("ada.bin", "", content(5<<20)))
	kept := w.create(w.bob, image("bob.png", redAndBlue(300, 200, true)), anything("bob.bin", "", content(1000)))
	shared := w.create(w.ada, anything("both.bin", "", content(2000)))
	also := &Photo{Owner: w.bob, Any: shared.Any}
	if err := photos.Create(t.Context(), w.App, also); err != nil {
		t.Fatal(err)
	}
	w.upload(w.ada, content(3000))
	w.upload(w.bob, content(4000))
	if states := w.runJobs(); states["done"] != 2 {
		t.Fatalf("the jobs are %v", states)
	}
	copies := func() []string {
		names, err := filepath.Glob(filepath.Join(backup, "files", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(names, func(name string) bool { return filepath.Base(name)[0] == '.' })
	}
	const all, left = 4 + 2 + 4 + 1 + 1 + 1 + 1, 4 + 1 + 1 + 1 // chunks
	await(t, func() bool { return len(copies()) == all })

	app := server.AppOf(w.App.App)
	folder := filepath.Dir(app.Config().Data)
	o := erase.Options{By: "test", App: "photos", Folder: folder, Data: app.Config().Data, Archive: app.Archive(), Uploads: uploads{w.files(), app}, Sessions: app.SessionKeys,
		Delivered: func(context.Context, uint64) error { return nil }, Step: func(string) {}}
	key := record.Key{Model: app.Store().Model("users"), ID: w.ada}
	plan, err := erase.NewPlan(t.Context(), app.Store(), key, o)
	if err != nil || plan.Content != 4 {
		t.Fatalf("the plan is %+v, %v; want to remove four files", plan, err)
	}
	if _, err := erase.Run(t.Context(), app.Store(), key, o); err != nil {
		t.Fatal(err)
	}
	if sessions, err := app.Sessions(w.ada); err != nil || len(sessions) != 0 || plan.Deleted["tower_sessions"] == 0 {
		t.Errorf("the sessions %v are left, %v; the plan is %+v", sessions, err, plan)
	}
	if n := w.chunks(); n != left {
		t.Errorf("%d chunks are left, want %d", n, left)
	}
	if now := copies(); len(now) != left {
		t.Errorf("%d copies are left, want %d: %q", len(now), left, now)
	}
	for _, p := range []*Photo{kept, also} {
		if res, _ := w.do(w.bob, "GET", "/_tower/files/photos/"+string(p.ID)+"/any/"+string(p.Any.ID), "", nil); res.StatusCode != 200 {
			t.Errorf("a file of Bob: %s", res.Status)
		}
	}
	entries := 0
	err = app.Store().View(t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(app.Store().Model("tower_files"), store.Range{}, func(*record.Image) bool { entries++; return true })
	})
	if err != nil || entries != left {
		t.Errorf("%d records of files, %v; want %d", entries, err, left)
	}
	if _, err := os.Stat(app.Config().Data + ".erase"); !os.IsNotExist(err) {
		t.Errorf("the journal is left: %v", err)
	}
}

// await waits until done.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for !done() {
		if t.Context().Err() != nil {
			t.Fatal("it does not become so")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
