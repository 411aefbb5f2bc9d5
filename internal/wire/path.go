package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// maxSocketPath is what every platform's sockaddr_un can hold, less its NUL.
const maxSocketPath = 103

// SocketPath is where the application in folder listens for consoles:
// tmp/tower.sock below it, or, where that is too long for a unix socket, a
// hashed name in runtime, the user's own folder for such files.
func SocketPath(folder, runtime string) string {
	path := filepath.Join(folder, "tmp", "tower.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(folder))
	return filepath.Join(runtime, "tower-"+hex.EncodeToString(sum[:8])+".sock")
}

// RuntimeFolder is a user's own folder for sockets: what the environment says in
// XDG_RUNTIME_DIR, else one below the folder for temporary files.
func RuntimeFolder(xdg, temporary string, user int) string {
	if xdg != "" {
		return xdg
	}
	return filepath.Join(temporary, fmt.Sprintf("tower-%d", user))
}
