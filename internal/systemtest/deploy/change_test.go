//go:build linux

package deploy

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/systemtest/process"
)

// A release that ends by itself after it was found healthy is started again, and taken back when it ends once more.
// Nobody is refused meanwhile.
func TestAReleaseThatDiesIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must(s.deploy("v0"))
	good := s.current()
	l := startLoad(t, s.url, 4, 3)
	s.must(s.deploy("mortal"))
	write(t, filepath.Join(s.folder, "die"), "", 0o600)
	process.Until(t, "the release before serves again", func() bool { return s.current() == good })
	s.out = timeline{}
	s.must(s.d.Status(t.Context()))
	for _, part := range []string{good + " serves since", "mortal-", "was taken back, since it ended by itself twice"} {
		if !strings.Contains(s.out.String(), part) {
			t.Errorf("the status has no %q:\n%s", part, s.out.String())
		}
	}
	written := l.count()
	process.Until(t, "writing goes on", func() bool { return l.count() > written+20 })
	l.check()
	s.must(s.deploy("v1"))
	s.out = timeline{}
	s.must(s.d.Status(t.Context()))
	if strings.Contains(s.out.String(), "taken back") {
		t.Errorf("the status after a good deploy:\n%s", s.out.String())
	}
}

// A release with a migration replaces one without it under load. Sockets receive all records again, as they are
// after it.
func TestADeployMigratesUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must(s.deploy("v0"))
	l := startLoad(t, s.url, 4, 3)
	process.Until(t, "notes are written", func() bool { return l.count() > 40 })
	l.mu.Lock()
	early := maps.Clone(l.written)
	l.mu.Unlock()
	s.must(s.deploy("ranked"))
	written := l.count()
	process.Until(t, "writing goes on", func() bool { return l.count() > written+20 })
	l.quit()
	l.writes.Wait()
	for i, r := range l.readers {
		process.Until(t, "a socket has every note", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(r.seen) >= len(l.written)
		})
		r.mu.Lock()
		for received, times := range r.seen {
			sent, migrated := l.written[received.Title], received.Rank == rank
			received.Rank = 0
			if _, is := early[received.Title]; times != 1 || sent != received || is && !migrated {
				t.Errorf("socket %d received %+v %d times, migrated: %v; acknowledged was %+v", i, received, times, migrated, sent)
			}
		}
		if r.anew != 1 {
			t.Errorf("socket %d received all again %d times", i, r.anew)
		}
		r.mu.Unlock()
	}
}
