package migrate

import (
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

type (
	plain struct {
		record.Record
		Title string `json:"title"`
	}
	indexed struct {
		record.Record
		Title string `json:"title" tower:"index"`
	}
	required struct {
		record.Record
		Title string `json:"title" validate:"required"`
	}
)

// What is prepared is known by the source of the program, not by the program, and by the
// steps and the models that it is for.
func TestKey(t *testing.T) {
	defer func(was string, hash func() (string, error)) { source, programHash = was, hash }(source, programHash)
	key := func(from, program string, prototype any, steps ...Step) string {
		t.Helper()
		m, err := record.NewModel("posts", prototype)
		if err != nil {
			t.Fatal(err)
		}
		source, programHash = from, func() (string, error) { return program, nil }
		stored := store.Remembered{Models: []record.Schema{{Name: "posts"}}}
		key, err := PendingOf(stored, []*record.Model{m}, []Migration{{"1", steps}}).key()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	drop := Drops("posts", "body")
	first := key("a", "x", &plain{}, drop)
	if again := key("a", "y", &plain{}, drop); again != first {
		t.Error("another program of the same source prepares again")
	}
	for what, other := range map[string]string{
		"source":                   key("b", "x", &plain{}, drop),
		"step":                     key("a", "x", &plain{}, Drops("posts", "text")),
		"index":                    key("a", "x", &indexed{}, drop),
		"rule":                     key("a", "x", &required{}, drop),
		"program of no source":     key("", "x", &plain{}, drop),
		"program of another build": key("", "y", &plain{}, drop),
	} {
		if other == first {
			t.Errorf("a build of another %s takes over what was prepared", what)
		}
	}
	if key("", "x", &plain{}, drop) == key("", "y", &plain{}, drop) {
		t.Error("programs of an unknown source take over from each other")
	}
}
