package password

import (
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"
)

func TestPasswords(t *testing.T) {
	hash, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Hash("correct horse")
	if err != nil || hash == again || strings.Contains(hash, "correct") || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the hashes are %s and %s: %v", hash, again, err)
	}
	older, err := argon2id.CreateHash("correct horse", &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		hash, plain string
		want        bool
	}{
		{hash, "correct horse", true}, {again, "correct horse", true}, {older, "correct horse", true},
		{hash, "Correct horse", false}, {hash, "", false}, {hash, hash, false},
		{"", "", false}, {"", "correct horse", false}, {"correct horse", "correct horse", false}, {nobody, "", false}, {nobody, "nobody", false},
	} {
		if Matches(c.hash, c.plain) != c.want {
			t.Errorf("%q matches %q: %v", c.plain, c.hash, !c.want)
		}
	}
}

// The hash that nobody has is one, so that comparing with it takes as long.
func TestNobodyHasAPassword(t *testing.T) {
	used, salt, key, err := argon2id.DecodeHash(nobody)
	if err != nil || *used != *params || len(salt) != 16 || len(key) != 32 {
		t.Errorf("it has %+v: %v", used, err)
	}
}

// Many at once are bounded, and all get their answer.
func TestManyAtOnce(t *testing.T) {
	hash, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 * cap(running) {
		all.Go(func() {
			if !Matches(hash, "correct horse") {
				t.Error("the password does not match")
			}
		})
	}
	all.Wait()
	if len(running) != 0 {
		t.Errorf("%d are still running", len(running))
	}
}

// A hash of other parameters is made anew at the next sign-in, and no other.
func TestOutdated(t *testing.T) {
	hash, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	older, err := argon2id.CreateHash("correct horse", &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	if Outdated(hash) || !Outdated(older) || Outdated("") || Outdated("correct horse") {
		t.Errorf("outdated: new %v, older %v, none %v", Outdated(hash), Outdated(older), Outdated(""))
	}
}

func TestWeakness(t *testing.T) {
	for plain, weak := range map[string]bool{
		"": true, "short": true, "ninechars": true, "1234567890": true, "QwertyUiop": true, "qwertyuiop12": true, "aaaaaaaaaaaa": true, "ababababab": true,
		"ada@example.com": true, "ada.lovelace": true, "lovelace1815": true, "Lovelace!!": true, strings.Repeat("lovely ", 200): true,
		"correct horse": false, "staple-battery-7": false, "ada loves engines": false, "überall regnet es": false,
	} {
		if why := Weakness(plain, "ada.lovelace@example.com", "Ada Lovelace", ""); (why != "") != weak {
			t.Errorf("%q: %q", plain, why)
		}
	}
}
