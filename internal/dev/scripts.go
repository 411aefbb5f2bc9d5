package dev

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scripts serve what came of app/ as it is now.
type scripts struct {
	first  chan struct{} // closed when the first bundle is made, or cannot be
	mu     sync.Mutex
	now    *bundle // the last that could be made; nil if none could
	failed bool    // the first could not
}

func newScripts() *scripts { return &scripts{first: make(chan struct{})} }

// A bundleDiff is how one bundle differs from the one before.
type bundleDiff int

const (
	unchanged     bundleDiff = iota
	stylesChanged            // and nothing else
	scriptsChanged
)

// set puts a bundle in the place of the one before, nil for one that could not be
// made, and says how they differ to a page.
func (s *scripts) set(now *bundle) bundleDiff {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.now
	if before == nil && !s.failed {
		s.now, s.failed = now, now == nil
		close(s.first)
		return unchanged // pages have waited for it
	}
	if now == nil {
		return unchanged
	}
	s.now = now
	if before == nil {
		return scriptsChanged
	}
	found := unchanged
	for _, files := range []*bundle{before, now} {
		for name := range files.files {
			switch {
			case bytes.Equal(before.files[name], now.files[name]) || path.Ext(name) == ".map":
			case path.Ext(name) == ".css" && found == unchanged:
				found = stylesChanged
			case path.Ext(name) != ".css":
				found = scriptsChanged
			}
		}
	}
	return found
}

// wait waits for the first bundle, and returns the newest; nil if there is none.
func (s *scripts) wait(ctx context.Context) *bundle {
	select {
	case <-s.first:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// ServeHTTP answers with a file of the newest bundle.
func (s *scripts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	now := s.wait(ctx)
	if now == nil {
		http.Error(w, "What is in app/ could not be bundled. The terminal and the page say why.", http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, scriptsURL)
	contents, found := now.files[name]
	if !found {
		http.Error(w, fmt.Sprintf("There is no %s. What came of app/ is %s.", name, strings.Join(slices.Sorted(maps.Keys(now.files)), ", ")), http.StatusNotFound)
		return
	}
	sum := sha256.Sum256(contents)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if path.Ext(name) == ".map" {
		w.Header().Set("Content-Type", "application/json")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(contents))
}
