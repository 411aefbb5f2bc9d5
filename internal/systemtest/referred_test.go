package systemtest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A Shelf cannot be deleted while a book is on it. Nobody may see a book that is hidden.
type Shelf struct {
	tower.Record
	Name string `json:"name"`
}

type Volume struct {
	tower.Record
	ShelfID tower.ID `json:"shelfId" tower:"ref=shelves,delete=refuse"`
	Title   string   `json:"title"`
}

var (
	shelves = tower.NewModel[Shelf]("shelves")
	volumes = tower.NewModel[Volume]("volumes")
)

type shelfPages struct{ *tower.Connection }

type shelfID struct {
	ID tower.ID `json:"id"`
}

func (c *shelfPages) Show(ctx context.Context, in shelfID) (*Shelf, error) {
	return tower.Visible(ctx, c, shelves, in.ID)
}

func (c *shelfPages) Delete(ctx context.Context, in shelfID) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, shelves, in.ID)
}

// Match hides all volumes.
func (c *shelfPages) Match(*Volume) bool { return false }

func shelfConfig() tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "shelves", func(c *tower.Connection) *shelfPages { return &shelfPages{c} })
	tower.Page(m, "GET /shelves/{id}", (*shelfPages).Show)
	tower.Action(m, "DELETE /shelves/{id}", (*shelfPages).Delete, tower.RedirectTo("/"))
	return tower.Config{Models: []tower.AnyModel{shelves, volumes}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":       {Data: []byte(`<!doctype html><title>x</title>{{block "main" .}}{{end}}`)},
		"views/shelves/show.html": {Data: []byte(`{{define "main"}}<form {{.Form "DELETE /shelves/{id}" .Data}}><button>Delete</button></form>{{end}}`)},
	}}
}

// TestARefusedDeletion deletes a record to which another refers with delete=refuse, by each
// way in. A client does not learn of a record that it may not see, and a console does.
func TestARefusedDeletion(t *testing.T) {
	app, socket := controlled(t, func() *towertest.App { return towertest.Open(t, shelfConfig()) })
	shelf := &Shelf{Name: "one"}
	if err := shelves.Create(t.Context(), app, shelf); err != nil {
		t.Fatal(err)
	}
	volume := &Volume{ShelfID: shelf.ID, Title: "hidden"}
	if err := volumes.Create(t.Context(), app, volume); err != nil {
		t.Fatal(err)
	}
	const words = "other records refer to it; delete or change them first"
	path := "/shelves/" + string(shelf.ID)
	private := func(way, answer string) {
		for _, secret := range []string{"volume", "Volume", "shelfId", "hidden", string(volume.ID)} {
			if strings.Contains(answer, secret) {
				t.Errorf("%s names %s:\n%s", way, secret, answer)
			}
		}
	}

	req, err := http.NewRequest(http.MethodDelete, app.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusConflict || !strings.Contains(string(body), `"code":"conflict"`) || !strings.Contains(string(body), words) {
		t.Errorf("JSON was answered %d %s: %v", resp.StatusCode, body, err)
	}
	private("JSON", string(body))

	status, page := app.PostForm(t, "", path+"?_method=DELETE", "")
	if status != http.StatusConflict || !strings.Contains(page, words) || !strings.Contains(page, "<!doctype html>") {
		t.Errorf("the form was answered %d:\n%s", status, page)
	}
	private("the form", page)

	client := app.Connect(t, "")
	if got := client.Call("DELETE "+path, nil); got.Status != http.StatusConflict {
		t.Errorf("the socket was answered %+v", got)
	}
	private("the socket", strings.Join(client.Frames(), "\n"))

	l := attach(t, socket)
	for _, as := range []wire.ControlRequest{
		{Do: wire.DoDelete, Model: "shelves", Key: string(shelf.ID)},
		{Do: wire.DoDeleteAll, Model: "shelves"},
	} {
		if got, want := l.ask(as), "conflict: Shelf "+string(shelf.ID)+" cannot be deleted: shelfId of Volume "+string(volume.ID)+" refers to it"; !strings.HasPrefix(got, want) {
			t.Errorf("the console was answered %q, not %q", got, want)
		}
	}
	var thrown bytes.Buffer
	code := repl.Run(t.Context(), repl.Options{History: "-", JSON: true, Output: &thrown,
		Dial: func(ctx context.Context) (*control.Client, error) { return control.Attach(ctx, socket, "console:test") },
		Expr: []string{`try { Shelf.delete("` + string(shelf.ID) + `") } catch (e) { [e instanceof Error, e.code, e.message.includes("cannot be deleted")] }`}})
	if got := strings.TrimSpace(thrown.String()); code != 0 || got != `[true,"conflict",true]` {
		t.Errorf("the console threw %s, and ended with %d", got, code)
	}
	as := l.ask(wire.ControlRequest{Do: wire.DoCall, Name: "DELETE " + path})
	if !strings.Contains(as, words) {
		t.Errorf("the console as a visitor was answered %s", as)
	}
	private("the console as a visitor", as)

	if _, err := shelves.Find(t.Context(), app, shelf.ID); err != nil {
		t.Error(err)
	}
	if err := volumes.Delete(t.Context(), app, volume.ID); err != nil {
		t.Fatal(err)
	}
	if status, page := app.PostForm(t, "", path+"?_method=DELETE", ""); status != http.StatusSeeOther {
		t.Errorf("without the volume, the form was answered %d:\n%s", status, page)
	}
}
