package jobs

import "strings"

// A bar is one of the lines of a parcel's code, as a reader sees it.
type bar struct{ X, Width int }

// bars draws each letter of a number as two lines, whose widths and distances are its bits.
func bars(number string) (all []bar) {
	x := 24
	for _, letter := range number {
		all = append(all, bar{x, 1 + int(letter)&1 + int(letter)>>1&1}, bar{x + 5, 1 + int(letter)>>2&1 + int(letter)>>3&1})
		x += 11 + int(letter)>>4&1
	}
	return all
}

// A line of an address, and where it stands.
type line struct {
	Y    int
	Text string
}

// lines returns the lines of a name and an address, at most six.
func lines(name, address string) (all []line) {
	for i, text := range append([]string{name}, strings.Split(strings.TrimSpace(address), "\n")...) {
		if i < 6 {
			all = append(all, line{74 + 18*i, strings.TrimSpace(text)})
		}
	}
	return all
}
