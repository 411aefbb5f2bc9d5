package systemtest

import (
	"net/http"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/towerkit/tower/towertest"
)

// TestOpenAPI validates the document that an application serves. It is served only where the
// application says so.
func TestOpenAPI(t *testing.T) {
	config := sample()
	if status, _ := towertest.Open(t, config).Get(t, "/_tower/openapi.json"); status != http.StatusNotFound {
		t.Errorf("without Config.OpenAPI the status is %d", status)
	}
	config.OpenAPI = true
	status, body := towertest.Open(t, config).Get(t, "/_tower/openapi.json")
	document, err := openapi3.NewLoader().LoadFromData([]byte(body))
	if err == nil {
		err = document.Validate(t.Context())
	}
	if status != http.StatusOK || err != nil {
		t.Errorf("status %d, %v: %s", status, err, body)
	}
}
