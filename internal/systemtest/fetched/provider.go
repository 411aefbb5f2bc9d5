package fetched

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/towerkit/tower/internal/systemtest/freeport"
)

// A Provider is a provider of OpenID Connect that is not ours: the example server of github.com/zitadel/oidc/v3.
// It knows the application "web", whose secret is "secret".
type Provider struct {
	Issuer  string
	command *exec.Cmd
}

// NewProvider returns a provider that does not run yet, and leads back to callback. env has more variables of its
// environment, each as "NAME=value".
func NewProvider(t testing.TB, callback string, env ...string) *Provider {
	t.Helper()
	port := fmt.Sprint(freeport.Find(t))
	command := exec.Command(filepath.Join(Folder(), "oidc-v3.52.0", "server"))
	command.Env = append(os.Environ(), append(env, "PORT="+port, "REDIRECT_URI="+callback)...)
	return &Provider{"http://localhost:" + port + "/", command}
}

// Start starts the provider, until the test ends. It skips the test if the program is missing. It does not wait
// until the provider answers.
func (p *Provider) Start(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(p.command.Path); err != nil {
		t.Skipf("script/test installs the provider %s", p.command.Path)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		_ = p.command.Wait() // it was killed
	})
}
