// Package read serves declared cursors as JSON over HTTP: their state, as of one commit;
// a wait for the next change; and a stream of events that programs without tower's library
// can follow. It speaks with the application by frames, as a browser does, so the same
// rules, rights and limits apply.
package read

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A State is what a cursor holds after a commit: records, or a value.
type State struct {
	At       string                       `json:"at,omitempty"` // "epoch:seq"
	Cursor   string                       `json:"cursor"`       // "posts.published"
	In       json.RawMessage              `json:"in,omitempty"` // its input, in the state of a page
	Model    string                       `json:"model"`
	Records  []json.RawMessage            `json:"records,omitempty"`
	Included map[string][]json.RawMessage `json:"included,omitempty"` // by model
	Value    json.RawMessage              `json:"value,omitempty"`
}

// MarshalJSON keeps an empty list of records.
func (s State) MarshalJSON() ([]byte, error) {
	type plain State
	if s.Value != nil || len(s.Records) > 0 {
		return json.Marshal(plain(s))
	}
	return json.Marshal(struct {
		plain
		Records []json.RawMessage `json:"records"`
	}{plain(s), []json.RawMessage{}})
}

// StateOf returns the state in an answer that holds everything.
func StateOf(cursor string, a *wire.Answer) (*State, error) {
	s := &State{At: a.At, Cursor: cursor, Model: a.Model, Value: a.Value}
	byID, err := replica.ByID(a.Records)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", cursor, err)
	}
	for _, id := range a.IDs {
		s.Records = append(s.Records, byID[a.Model][id])
	}
	for model, ids := range a.Include {
		if s.Included == nil {
			s.Included = map[string][]json.RawMessage{}
		}
		s.Included[model] = []json.RawMessage{}
		for _, id := range ids {
			s.Included[model] = append(s.Included[model], byID[model][id])
		}
	}
	return s, nil
}

// Tag returns the ETag of states: equal for states that hold the same, whatever their
// position.
func Tag(states ...*State) (string, error) {
	hash := sha256.New()
	for _, s := range states {
		content := *s
		content.At = ""
		data, err := json.Marshal(content)
		if err != nil {
			return "", fmt.Errorf("encode %s: %w", s.Cursor, err)
		}
		hash.Write(data)
	}
	return `W/"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:15]) + `"`, nil
}
