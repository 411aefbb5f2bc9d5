package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// maxSocketPath is the length that every platform's sockaddr_un can hold, without its
// NUL.
const maxSocketPath = 103

// SocketPath returns where the application in folder listens for consoles: at
// tmp/tower.sock below folder. If that is too long for a unix socket, it is a hashed
// name in runtime, the user's own folder for sockets.
func SocketPath(folder, runtime string) string {
	path := filepath.Join(folder, "tmp", "tower.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(folder))
	return filepath.Join(runtime, "tower-"+hex.EncodeToString(sum[:8])+".sock")
}

// RuntimeFolder returns a user's own folder for sockets: xdg, the value of
// XDG_RUNTIME_DIR, if it is an absolute path, and otherwise a folder below temporary.
func RuntimeFolder(xdg, temporary string, user int) string {
	if filepath.IsAbs(xdg) {
		return xdg
	}
	return filepath.Join(temporary, fmt.Sprintf("tower-%d", user))
}
