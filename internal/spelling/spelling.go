// Package spelling suggests the correct name for a misspelled one.
package spelling

import "strings"

// Closest returns the candidate closest to word, or "" if none is close enough to be a
// likely misspelling. It ignores case. It allows one wrong letter plus one for every
// three letters of word; a wrong letter is missing, extra, replaced, or swapped with
// its neighbor. Of equally close candidates it returns the first.
func Closest(word string, candidates []string) string {
	runes := len([]rune(word))
	best, least := "", runes/3+1
	for _, candidate := range candidates {
		if apart := len([]rune(candidate)) - runes; max(apart, -apart) > least {
			continue // too far apart; skip the costly comparison, since word may be long input
		}
		far := distance(strings.ToLower(word), strings.ToLower(candidate))
		if candidate != word && (far < least || far == least && best == "") {
			best, least = candidate, far
		}
	}
	return best
}

// distance returns the number of letters to insert, delete, replace or swap with a
// neighbor to turn a into b.
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
