//go:build linux

package chaos

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire/replica"
)

// Sights are what clients have held, on whatever node, and how many of their calls have
// succeeded.
type sights struct {
	done atomic.Uint64
	mu   sync.Mutex
	all  map[sight][sha256.Size]byte
}

// A sight is a cursor as of a commit.
type sight struct {
	cursor string
	seq    uint64
}

// note notes what the client holds. All who hold a cursor as of one commit must hold the same.
func (c *client) note(state *replica.Replica) error {
	s := sight{seq: state.Seq}
	for name, held := range c.states {
		if held == state {
			s.cursor = name
		}
	}
	sum := sumOf(state.Records())
	c.sights.mu.Lock()
	defer c.sights.mu.Unlock()
	if other, seen := c.sights.all[s]; seen && other != sum {
		return fmt.Errorf("another client has held something else for %s at %d than\n%s", s.cursor, s.seq, state.Records())
	}
	c.sights.all[s] = sum
	return nil
}

func sumOf(records []json.RawMessage) [sha256.Size]byte {
	return sha256.Sum256(bytes.Join(asBytes(records), []byte("\n")))
}

func asBytes(records []json.RawMessage) [][]byte {
	all := make([][]byte, len(records))
	for i, r := range records {
		all[i] = r
	}
	return all
}

// A history is what the records were after each commit, told by their images alone.
type history struct {
	tallies []row // in the order of their ids
	deeds   []row // the newest first
}

type row struct {
	id   string
	at   time.Time
	json json.RawMessage
}

func byID(a, b row) int   { return strings.Compare(a.id, b.id) }
func newest(a, b row) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(b.id, a.id)) }

// apply makes the changes of a commit.
func (h *history) apply(c *store.Commit) error {
	for _, change := range c.Changes {
		rows, order := &h.tallies, byID
		if change.Model.Name == "deeds" {
			rows, order = &h.deeds, newest
		}
		if change.Before != nil {
			old, err := rowOf(string(change.ID), change.Before.JSON)
			if err != nil {
				return err
			}
			at, found := slices.BinarySearchFunc(*rows, old, order)
			if !found || !bytes.Equal((*rows)[at].json, old.json) {
				return fmt.Errorf("commit %d changes %s, which is not there", c.Seq, old.json)
			}
			*rows = slices.Delete(*rows, at, at+1)
		}
		if change.After != nil {
			made, err := rowOf(string(change.ID), change.After.JSON)
			if err != nil {
				return err
			}
			at, _ := slices.BinarySearchFunc(*rows, made, order)
			*rows = slices.Insert(*rows, at, made)
		}
	}
	return nil
}

func rowOf(id string, text []byte) (row, error) {
	var header struct{ CreatedAt time.Time }
	err := json.Unmarshal(text, &header)
	return row{id, header.CreatedAt, text}, err
}

// holds returns what a fresh query of a cursor gives.
func (h *history) holds(cursor string) (all []json.RawMessage) {
	rows := h.tallies
	if cursor == "deeds.newest" {
		rows = h.deeds[:min(len(h.deeds), 10)]
	}
	for _, r := range rows {
		all = append(all, r.json)
	}
	return all
}

// check compares all sights with the history that a store has, from its first commit on.
func (s *sights) check(t *testing.T, from *store.Store) {
	t.Helper()
	h, checked := &history{}, 0
	if start := from.LogStart(); start != 1 {
		t.Fatalf("the history begins with commit %d", start)
	}
	for feed := from.Feed(0); ; {
		commit, err := feed.Next(context.Background())
		if err == nil {
			err = h.apply(&commit)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, cursor := range []string{"deeds.all", "deeds.newest"} {
			held, seen := s.all[sight{cursor, commit.Seq}]
			if !seen {
				continue
			}
			checked++
			if want := h.holds(cursor); held != sumOf(want) {
				t.Errorf("what a client held for %s at %d is not\n%s", cursor, commit.Seq, want)
			}
		}
		if commit.Seq == from.Seq() {
			t.Logf("%d commits; what clients held was compared as of %d of them", commit.Seq, checked)
			return
		}
	}
}
