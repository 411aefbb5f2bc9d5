// Package spelling finds the name that a misspelled one was meant to be.
package spelling

import "strings"

// Closest returns the candidate that word is a likely misspelling of, or "".
// Upper and lower case are alike. One letter in three may be wrong, and one more:
// a letter that is missing, superfluous, replaced, or swapped with the next. Of
// equally close candidates the first is returned.
func Closest(word string, candidates []string) string {
	runes := len([]rune(word))
	best, least := "", runes/3+1
	for _, candidate := range candidates {
		if apart := len([]rune(candidate)) - runes; max(apart, -apart) > least {
			continue // too far apart, and a word from outside may be long
		}
		far := distance(strings.ToLower(word), strings.ToLower(candidate))
		if candidate != word && (far < least || far == least && best == "") {
			best, least = candidate, far
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbor that lead from a to b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		row, above, twoAbove := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], twoAbove[j-2]+1)
			}
		}
	}
	return rows[len(x)%3][len(y)]
}
