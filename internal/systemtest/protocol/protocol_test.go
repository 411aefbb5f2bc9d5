// Package protocol holds tower to the scripts of package conformance.
package protocol

import (
	"testing"

	"github.com/towerkit/tower/internal/conformance"
	"github.com/towerkit/tower/internal/systemtest/protocol/notes"
	"github.com/towerkit/tower/towertest"
)

func TestTheServerConforms(t *testing.T) {
	scripts, err := conformance.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range towertest.Transports() {
		t.Run(transport, func(t *testing.T) {
			app := towertest.Open(t, notes.Config())
			for _, script := range scripts {
				t.Run(script.Name, func(t *testing.T) {
					if err := script.Run(t.Context(), app.URL, transport); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}
