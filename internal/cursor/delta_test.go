package cursor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
)

// versions returns images for a text like "a b! c", where ! marks a changed one.
func versions(text string) (images []*record.Image) {
	for _, word := range strings.Fields(text) {
		id, changed := strings.CutSuffix(word, "!")
		img := &record.Image{ID: record.ID(id), Version: 1}
		if changed {
			img.Version = 2
		}
		images = append(images, img)
	}
	return images
}

func deltaText(deltas []Delta) string {
	var parts []string
	for _, d := range deltas {
		text := fmt.Sprint(d.Op, " ", d.ID)
		if d.After != nil {
			text += " after " + string(*d.After) + "."
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestDeltasAreFew(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"", "", ""},
		{"a b", "a b", ""},
		{"", "a b", "enter a after ., enter b after a."},
		{"a b", "", "leave a, leave b"},
		{"a b c", "a b! c", "change b"},
		{"a b c", "b! a c", "change b after ."},
		{"a b c", "b c a!", "change a after c."},
		{"a b c d", "a! d! b c", "change a, change d after a."},
		{"a b c", "n! a b", "leave c, enter n after ."},
		{"a b c", "b c d", "leave a, enter d after c."},
		{"a b c", "a! b! c!", "change a, change b, change c"},
		{"a b c", "c! b! a!", "change c, change b after c., change a after b."},
		{"m a b", "a n! m! b", "enter n after a., change m after n."},
		{"a b c", "c a b", "change c after ."},
	} {
		got := deltaText(diff(idsOf(nil, versions(c.before)), versions(c.after), 1, true))
		if got != c.want {
			t.Errorf("%s → %s\n got %s\nwant %s", c.before, c.after, got, c.want)
		}
	}
}

// TestDeltasLeadFromOneListToTheOther checks that deltas are exact, mention only what they
// must, and move unchanged records only if their own order has changed.
func TestDeltasLeadFromOneListToTheOther(t *testing.T) {
	r := querytest.Rand(t)
	for range 3000 {
		n := r.IntN(12)
		var before, after []*record.Image
		for i := range n {
			img := &record.Image{ID: record.ID(rune('a' + i)), Version: 1}
			if r.IntN(4) > 0 {
				before = append(before, img)
			}
			if r.IntN(4) == 0 {
				img = &record.Image{ID: img.ID, Version: 2}
			}
			if r.IntN(4) > 0 {
				after = append(after, img)
			}
		}
		wild := r.IntN(3) == 0
		scatter(r, after, wild)
		deltas := diff(idsOf(nil, before), after, 1, true)
		client := replica{images: slices.Clone(before)}
		if err := client.apply(deltas, true); err != nil {
			t.Fatal(err)
		}
		got := idsOf(nil, client.images)
		if want := idsOf(nil, after); !slices.Equal(got, want) {
			t.Fatalf("%v → %v\n got %v by %s", idsOf(nil, before), want, got, deltaText(deltas))
		}
		for i, img := range client.images {
			if img.Version != after[i].Version {
				t.Fatalf("%s is not the new one by %s", img.ID, deltaText(deltas))
			}
		}
		for _, d := range deltas {
			if d.Op == Change && d.Image.Version == 1 && !wild {
				t.Fatalf("%v → %v: %s", idsOf(nil, before), idsOf(nil, after), deltaText(deltas))
			}
		}
	}
}

// scatter moves records to other positions: changed records, or all.
func scatter(r *rand.Rand, images []*record.Image, wild bool) {
	for i := range images {
		if j := r.IntN(len(images)); wild || images[i].Version == 2 {
			img := images[i]
			copy(images[i:], images[i+1:])
			images = images[:len(images)-1]
			images = slices.Insert(images, min(j, len(images)), img)
		}
	}
}
