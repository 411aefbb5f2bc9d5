package password

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// MinLength is how many characters a password needs at least, for [Weakness].
const MinLength = 10

// maxLength bounds what is hashed.
const maxLength = 1000

// variety is how many different characters a password needs at least.
const variety = 5

// common.txt holds the passwords of at least MinLength characters among the most frequent ones
// of leaks, one a line, in lower case. The lists are those of zxcvbn and zxcvbn-ts, which have
// the MIT license; Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.
//
//go:embed common.txt
var commonText string

var common = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(commonText) {
		all[strings.TrimSpace(line)] = true
	}
	return all
})

// Weakness returns why a password is too weak to be chosen, for people: "needs at least 10
// characters"; "" if it is not. Weak is what is short, what is among the most frequent
// passwords of leaks, what repeats a few characters, and what is little more than one of the
// words about its account, such as its address. It asks no other service, and takes no time.
func Weakness(plain string, about ...string) string {
	lower := strings.ToLower(plain)
	switch n := utf8.RuneCountInString(plain); {
	case n < MinLength:
		return fmt.Sprintf("needs at least %d characters", MinLength)
	case len(plain) > maxLength:
		return fmt.Sprintf("is longer than %d bytes", maxLength)
	case common()[lower], common()[strings.TrimRight(lower, "0123456789!?.")]:
		return "is one of those that are tried first; choose another, such as a few words"
	case differing(lower) < variety:
		return "repeats a few characters; choose another, such as a few words"
	}
	rest := lower
	for _, words := range about {
		for _, word := range strings.FieldsFunc(strings.ToLower(words), isSeparator) {
			if len(word) > 2 {
				rest = strings.ReplaceAll(rest, word, "")
			}
		}
	}
	if rest != lower && utf8.RuneCountInString(rest) < MinLength/2 {
		return "is little more than what others know about you; choose another, such as a few words"
	}
	return ""
}

func isSeparator(r rune) bool { return strings.ContainsRune(" @.+-_", r) }

// differing returns how many different characters a text has.
func differing(text string) int {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}
