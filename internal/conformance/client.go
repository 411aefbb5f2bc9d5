package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed client.json
var clientCases []byte

// A ClientCase is frames as a server sends them, and what a client must hold after each.
type ClientCase struct {
	Name   string            `json:"name"`
	Open   string            `json:"open"`   // the cursor
	Answer json.RawMessage   `json:"answer"` // without its id
	Holds  []json.RawMessage `json:"holds"`  // after the answer: the records in order
	Steps  []ClientStep      `json:"steps"`
}

// A ClientStep is one commit.
type ClientStep struct {
	Frame json.RawMessage   `json:"frame"`
	Holds []json.RawMessage `json:"holds"`
}

// ClientCases returns the cases of client.json.
func ClientCases() ([]ClientCase, error) {
	var cases []ClientCase
	if err := json.Unmarshal(clientCases, &cases); err != nil {
		return nil, fmt.Errorf("client.json: %w", err)
	}
	return cases, nil
}
