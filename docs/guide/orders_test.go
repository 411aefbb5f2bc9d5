package guide

import (
	"os"
	"os/exec"
	"testing"
)

// The example of docs/orders compiles, and its own tests hold.
func TestOrders(t *testing.T) {
	cmd := exec.Command("go", "test", "-vet=all", "./...")
	cmd.Dir, cmd.Env = "../orders", append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}
