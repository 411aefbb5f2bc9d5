package session

import (
	"path/filepath"
	"testing"

	"github.com/towerkit/tower/internal/private/privatetest"
)

func TestTheSecretIsThisUsersOwn(t *testing.T) {
	privatetest.File(t, filepath.Join("tmp", "secret"), func(folder string) error {
		_, err := Keys{File: filepath.Join(folder, "tmp", "secret")}.Read()
		return err
	})
}
