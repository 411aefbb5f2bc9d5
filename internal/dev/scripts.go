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

// scripts serves the newest bundle of app/.
type scripts struct {
	first  chan struct{} // closed after the first bundling, also if it failed
	mu     sync.Mutex
	now    *bundle // the newest bundle; nil if there is none yet
	failed bool    // the first bundling failed
}

func newScripts() *scripts { return &scripts{first: make(chan struct{})} }

// A bundleDiff is how a bundle differs from the previous one.
type bundleDiff int

const (
	unchanged     bundleDiff = iota
	stylesChanged            // and no scripts
	scriptsChanged
)

// set replaces the bundle, and returns the difference for pages that are open. now is nil
// if bundling failed; then the previous bundle stays.
func (s *scripts) set(now *bundle) bundleDiff {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.now
	if before == nil && !s.failed {
		s.now, s.failed = now, now == nil
		close(s.first)
		return unchanged // pages waited for it
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

// wait waits until the first bundling has ended or ctx ends, and returns the newest
// bundle, or nil.
func (s *scripts) wait(ctx context.Context) *bundle {
	select {
	case <-s.first:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// ServeHTTP serves a file of the newest bundle. It waits for the first one.
func (s *scripts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	now := s.wait(ctx)
	if now == nil {
		http.Error(w, "The scripts in app/ could not be bundled. The terminal and the page show why.", http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, scriptsURL)
	contents, found := now.files[name]
	if !found {
		http.Error(w, fmt.Sprintf("There is no %s. The bundle of app/ has %s.", name, strings.Join(slices.Sorted(maps.Keys(now.files)), ", ")), http.StatusNotFound)
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
