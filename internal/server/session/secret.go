package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/towerkit/tower/internal/private"
)

// Keys says where the keys of cookies come from.
type Keys struct {
	Secrets []string // the first seals, each opens; none: the secret in File
	File    string   // path of a secret, which is made if there is none; "": one for this process
}

// Read returns the secrets.
func (k Keys) Read() ([]string, error) {
	if len(k.Secrets) > 0 {
		return k.Secrets, nil
	}
	secret, err := fileSecret(k.File)
	if err != nil {
		return nil, fmt.Errorf("the key of cookies: %w; or set TOWER_SECRET", err)
	}
	return []string{secret}, nil
}

// MinSecret is the least number of characters of a secret.
const MinSecret = 32

// fileSecret returns the secret in a file that is this user's own. It makes the file if there
// is none. Without a path the secret is new.
func fileSecret(path string) (string, error) {
	if path == "" {
		return newSecret(), nil
	}
	if err := private.OwnFolder(filepath.Dir(path)); err != nil {
		return "", err
	}
	secret, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "secret-*") // only this user can read it
	if err != nil {
		return "", err
	}
	defer os.Remove(fresh.Name())
	_, err = fresh.WriteString(newSecret() + "\n")
	if err := errors.Join(err, fresh.Close()); err != nil {
		return "", err
	}
	// Another process of the application may make the file at the same time. The first wins.
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return readSecret(path)
}

func newSecret() string { return rand.Text() + rand.Text() }

func readSecret(path string) (string, error) {
	text, err := private.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("%w; if others may know it, remove it to get a new one", err)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < MinSecret {
		return "", fmt.Errorf("%s holds no key; remove it to get a new one", path)
	}
	return secret, nil
}
