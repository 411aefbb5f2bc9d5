package store

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/towerkit/tower/internal/record"
	"pgregory.net/rapid"
)

func drawImage(t *rapid.T, m *record.Model, id record.ID) *record.Image {
	p := &post{Record: record.Record{ID: id}, Title: rapid.String().Draw(t, "title"), Likes: rapid.Int().Draw(t, "likes")}
	image, err := m.Freeze(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	image.Version = rapid.Uint64().Draw(t, "version")
	image.Private = []byte(rapid.SampledFrom([]string{"", `{"a":1}`}).Draw(t, "private"))
	return image
}

func drawCommit(t *rapid.T, m *record.Model) Commit {
	c := Commit{Seq: 7, By: rapid.String().Draw(t, "by")}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		change := Change{Op: Op(rapid.IntRange(int(Create), int(Delete)).Draw(t, "op")), Model: m, ID: record.NewID()}
		if change.Op != Create {
			change.Before = drawImage(t, m, change.ID)
		}
		if change.Op != Delete {
			change.After = drawImage(t, m, change.ID)
		}
		c.Changes = append(c.Changes, change)
	}
	return c
}

func TestTheLogsEncoding(t *testing.T) {
	posts := mustModel(t, "posts", &post{})
	known := func(name string) *record.Model { return map[string]*record.Model{"posts": posts}[name] }
	rapid.Check(t, func(t *rapid.T) {
		c := drawCommit(t, posts)
		entry, versions := encodeCommit(c.By, c.Changes)
		got, err := decodeCommit(c.Seq, bytes.Clone(entry), known)
		if err != nil || got.By != c.By || got.Seq != c.Seq {
			t.Fatalf("%+v: %v", got, err)
		}
		if diff := cmp.Diff(see(c), see(got)); diff != "" {
			t.Fatal(diff)
		}
		for i, change := range got.Changes {
			if change.Before != nil && change.Before.Version != c.Changes[i].Before.Version {
				t.Fatalf("it was of commit %d", change.Before.Version)
			}
			if change.After == nil {
				continue
			}
			if v := recordVersion(entry[versions[0]:]); v != c.Changes[i].After.Version {
				t.Fatalf("the version is not where it should be: %d", v)
			}
			versions = versions[1:]
		}
		for n := range entry {
			if _, err := decodeCommit(c.Seq, bytes.Clone(entry[:n]), known); err == nil {
				t.Fatalf("%d of %d bytes made a commit", n, len(entry))
			}
		}
		noise := rapid.SliceOf(rapid.Byte()).Draw(t, "noise")
		_, _ = decodeCommit(c.Seq, noise, known)                         // may fail
		_, _ = decodeRecord(posts, "x", noise)                           // may fail
		_, _ = decodeCommit(c.Seq, append(entry[:8:8], noise...), known) // may fail
	})
}
