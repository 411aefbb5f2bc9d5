package repl

import "strings"

// didYouMean is a hint at the candidate that name was probably meant to be, or "".
func didYouMean(name string, candidates []string) string {
	if best := nearest(name, candidates); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}

func nearest(name string, candidates []string) string {
	best, least := "", len([]rune(name))/3+1
	for _, candidate := range candidates {
		far := distance(strings.ToLower(name), strings.ToLower(candidate))
		if candidate != name && (far < least || far == least && best == "") {
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

// suggestName is a hint at a global name that may have been meant.
func (e *evaluator) suggestName(name string) string {
	var names []string
	for _, m := range e.models {
		if strings.EqualFold(name, m.info.Name) || strings.EqualFold(name, m.name) {
			return "did you mean " + m.name + "?"
		}
		names = append(names, m.name)
	}
	switch name {
	case "require", "module", "process", "fetch", "window", "document", "setTimeout":
		return "there is nothing here but the application: help()"
	case redacted:
		return "a secret stood here, which is not kept: type it again"
	}
	return didYouMean(name, append(names, e.globals()...))
}
