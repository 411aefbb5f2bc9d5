package guide

import (
	"os"
	"os/exec"
	"testing"
)

// The example of docs/orders compiles, and its own tests hold.
func TestOrders(t *testing.T) {
	for _, args := range [][]string{{"vet", "./..."}, {"test", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = "../orders", append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %v: %v\n%s", args, err, out)
		}
	}
}
