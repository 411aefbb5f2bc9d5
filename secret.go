package tower

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/towerkit/tower/internal/server/session"
)

// minLetters is the least number of different characters of a key of cookies.
const minLetters = 8

// secrets returns the keys of cookies, which the given TOWER_SECRET holds: the first seals, and each
// opens. Without it, the key is in a file that the application makes for itself: in
// development in its folder, where a copy of the data does not contain it, and in a test
// beside its data. Production does not make one.
func secrets(given, env, folder, data string) (session.Keys, error) {
	keys := splitSecrets(given)
	switch {
	case len(keys) > 0:
		return session.Keys{Secrets: keys}, checkSecrets(keys)
	case env == "production":
		return session.Keys{}, errors.New("TOWER_SECRET is not set. It is the key of the cookies that say who is signed in. " +
			"Make one with: openssl rand -base64 32. Set it in the environment of this program, and keep it apart from the data and its backups")
	case env == "test":
		return session.Keys{File: data + ".secret"}, nil
	}
	return session.Keys{File: filepath.Join(folder, "tmp", "secret")}, nil
}

// splitSecrets returns the keys in a text, which are separated by commas or white space.
func splitSecrets(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// checkSecrets returns an error that names a key by its position, and shows none of it.
func checkSecrets(all []string) error {
	for i, secret := range all {
		letters := map[rune]bool{}
		for _, r := range secret {
			letters[r] = true
		}
		why := ""
		switch repeated := strings.Index((secret + secret)[1:], secret) + 1; {
		case len(secret) < session.MinSecret:
			why = fmt.Sprintf("has %d characters; it needs %d or more", len(secret), session.MinSecret)
		case len(letters) < minLetters:
			why = fmt.Sprintf("has only %d different characters, so it can be guessed", len(letters))
		case repeated < len(secret):
			why = fmt.Sprintf("repeats its first %d characters, so it can be guessed", repeated)
		default:
			continue
		}
		return fmt.Errorf("TOWER_SECRET: key %d of %d %s. Make one with: openssl rand -base64 32", i+1, len(all), why)
	}
	return nil
}
