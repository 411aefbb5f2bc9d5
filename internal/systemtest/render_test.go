package systemtest

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower/towertest"
)

var shouted atomic.Int64

// Shout is called by a partial; it counts renderings.
func (p *Post) Shout() string {
	shouted.Add(1)
	return p.Title + "!"
}

func TestAPartialIsRenderedOnceForEveryone(t *testing.T) {
	config := sample()
	files := fstest.MapFS{}
	for name, file := range sampleViews {
		files[name] = file
	}
	files["views/posts/_post.html"] = &fstest.MapFile{Data: []byte(`<li>{{.Shout}}</li>`)}
	config.Files = files
	app := towertest.Open(t, config)
	ada := makeUser(t, app, "ada", false)

	const n = 20
	sockets := make([]raw, n)
	for i := range sockets {
		_, page := app.Get(t, "/posts")
		attrs := regexp.MustCompile(`data-live="([^"]+)" data-since="([^"]+)"`).FindStringSubmatch(page)
		sockets[i] = dial(t, app, nil)
		sockets[i].ask(`{"hello":1}`)
		sockets[i].ask(fmt.Sprintf(`{"id":1,"live":%q,"since":%q}`, attrs[1], attrs[2]))
	}
	before := shouted.Load()
	post := makePost(t, app, ada, "one for all", true)
	for _, socket := range sockets {
		if frame := socket.hear(); !strings.Contains(frame, `one for all!</li>`) {
			t.Errorf("one received %s", frame)
		}
	}
	if times := shouted.Load() - before; times != 1 {
		t.Errorf("%s was rendered %d times for %d connections", post.ID, times, n)
	}
}
