// Package password stores passwords as hashes, made by Argon2id. An application imports
// it for accounts with passwords; tower generate does so for a field NAME:password.
package password

import (
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"
)

// params are those that OWASP recommends first. They are part of each hash, so a hash that
// was made with others still matches.
var params = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// running bounds the memory and the processors of those who hash at the same time: a hash
// takes 19 MB.
var running = make(chan struct{}, runtime.NumCPU())

// Hash returns the hash of a password, with a salt of its own. It takes some ten
// milliseconds, and waits while as many others hash as there are processors.
func Hash(plain string) (string, error) {
	running <- struct{}{}
	defer func() { <-running }()
	hash, err := argon2id.CreateHash(plain, params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// nobody is a hash that no password has: its salt and its key are zeros.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Matches reports whether a hash was made from a password. A hash that is none, such as
// the "" of an account that does not exist or has no password, matches none, and takes as
// long: the time does not say who has an account. It is as slow as [Hash], and waits like it.
func Matches(hash, plain string) bool {
	running <- struct{}{}
	defer func() { <-running }()
	right, err := argon2id.ComparePasswordAndHash(plain, hash)
	if err != nil {
		_, _ = argon2id.ComparePasswordAndHash(plain, nobody)
		return false
	}
	return right
}

// Outdated reports whether a hash was made with other parameters than [Hash] uses now, so that
// it should be made anew when its password is known, at the next sign-in. A text that is no
// hash is not outdated.
func Outdated(hash string) bool {
	used, salt, key, err := argon2id.DecodeHash(hash)
	if err != nil {
		return false
	}
	used.SaltLength, used.KeyLength = uint32(len(salt)), uint32(len(key))
	return *used != *params
}
