// Package health answers whether an application works: to a load balancer, to what deploys
// it, and to the person who asks why it does not.
package health

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A Report is the state of an application.
type Report struct {
	Live     bool     `json:"live"`               // it works, or will without a restart
	Ready    bool     `json:"ready"`              // it answers requests
	Problems []string `json:"problems,omitempty"` // why it is not ready
	Warnings []string `json:"warnings,omitempty"` // what a person should look at, although it is ready

	Commit  uint64   `json:"commit,omitempty"` // the newest
	Behind  uint64   `json:"behind,omitempty"` // commits that have not reached the connections
	Workers []string `json:"workers,omitempty"`
	Archive *Archive `json:"archive,omitempty"` // nil: there is none
	Log     *Log     `json:"log,omitempty"`     // nil: no nodes share one
	Version string   `json:"version,omitempty"`
}

// A Log is how a node follows the log that it shares with others.
type Log struct {
	Lag     float64 `json:"lag"`     // seconds since it had all commits
	Reached bool    `json:"reached"` // it could be read, when the node last looked
}

// An Archive is how far the archive of the store has come.
type Archive struct {
	Place  string `json:"place"`
	Behind uint64 `json:"behind"` // commits that are not in it
}

// The paths of the answers. A program that is not live must be started again; to one that
// is live and not ready no requests should be sent.
const (
	Path     = "/_tower/health"
	LivePath = "/_tower/health/live"
)

// Handler returns a handler of Path and LivePath. Its answer has the status 200 or 503, and
// the text "ok" or "not ok"; it has the whole report for those that mayKnow allows.
func Handler(report func() Report, mayKnow func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the state of an application is read", http.StatusMethodNotAllowed)
			return
		}
		state := report()
		w.Header().Set("Cache-Control", "no-store")
		asJSON := strings.Contains(r.Header.Get("Accept"), "application/json")
		kind := "text/plain; charset=utf-8"
		if asJSON {
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		well := state.Ready
		if r.URL.Path == LivePath {
			well = state.Live
		}
		if !well {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(state.text(well, mayKnow(r), asJSON)) // the client may be gone
	})
}

// text returns the body of an answer.
func (r *Report) text(well, whole, asJSON bool) []byte {
	var body any = map[string]bool{"ok": well}
	if whole {
		body = struct {
			OK bool `json:"ok"`
			*Report
		}{well, r}
	}
	if asJSON {
		text, err := json.Marshal(body)
		if err != nil {
			panic(err) // its fields always have a JSON form
		}
		return append(text, '\n')
	}
	var out strings.Builder
	if well {
		out.WriteString("ok\n")
	} else {
		out.WriteString("not ok\n")
	}
	if whole {
		r.write(&out)
	}
	return []byte(out.String())
}

// write writes the report for a person.
func (r *Report) write(out *strings.Builder) {
	fmt.Fprintf(out, "live: %s, ready: %s\n", yes(r.Live), yes(r.Ready))
	for _, problem := range r.Problems {
		fmt.Fprintf(out, "problem: %s\n", problem)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(out, "warning: %s\n", warning)
	}
	if r.Commit > 0 {
		fmt.Fprintf(out, "newest commit: %d; to be sent: %d\n", r.Commit, r.Behind)
	}
	if len(r.Workers) > 0 {
		fmt.Fprintf(out, "workers: %s\n", strings.Join(r.Workers, ", "))
	}
	if r.Archive != nil {
		fmt.Fprintf(out, "archive: %s; to be archived: %d\n", r.Archive.Place, r.Archive.Behind)
	}
	if r.Log != nil {
		fmt.Fprintf(out, "shared log: reached: %s; all commits of %.1f s ago\n", yes(r.Log.Reached), r.Log.Lag)
	}
	if r.Version != "" {
		fmt.Fprintf(out, "version: %s\n", r.Version)
	}
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// Brings returns a function that reports whether a request brings a token, as
// "Authorization: Bearer TOKEN". No request brings "".
func Brings(token string) func(*http.Request) bool {
	want := sha256.Sum256([]byte(token))
	return func(r *http.Request) bool {
		scheme, brought, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(brought)))
		return token != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
	}
}
