package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"testing"
)

// pinned is the protocol as it was when Version was last reviewed.
var pinned = struct {
	version int
	hash    string
}{1, "6bb78168dbff220a"}

func TestProtocolIsPinnedToItsVersion(t *testing.T) {
	sum := sha256.New()
	for _, name := range []string{"doc.go", "frame.go", "control.go", "explain.go", "schema.go"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(data)
	}
	files := goldens(t)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum.Write([]byte(name))
		sum.Write(compact(t, files[name]))
	}
	hash := hex.EncodeToString(sum.Sum(nil)[:8])
	if hash == pinned.hash && Version == pinned.version {
		return
	}
	t.Errorf(`the protocol has changed: version %d with hash %q, pinned was version %d with %q.

Could a browser or a console that was built before this change misunderstand
what is now sent, or be misunderstood? Then raise Version in frame.go.
A new field that older peers may ignore, or better words, need no new version.
Either way, put the version and the hash into pinned (version_test.go), and see
that internal/client/src/wire/frames.ts says the same as frame.go.`, Version, hash, pinned.version, pinned.hash)
}
