package scaffolds

import "strings"

// irregular holds pairs of singular and plural that the rules below do not produce,
// or could not turn back.
var irregular = strings.Fields(`
	person people  child children  man men  woman women  foot feet  tooth teeth  goose geese  mouse mice  ox oxen  die dice
	leaf leaves  loaf loaves  half halves  calf calves  shelf shelves  wolf wolves  thief thieves  knife knives  life lives
	wife wives  hero heroes  potato potatoes  tomato tomatoes  echo echoes  veto vetoes  quiz quizzes
	criterion criteria  phenomenon phenomena  bacterium bacteria  curriculum curricula  alumnus alumni  cactus cacti
	index indices  vertex vertices  matrix matrices  appendix appendices  axis axes
	analysis analyses  basis bases  crisis crises  diagnosis diagnoses  emphasis emphases  hypothesis hypotheses
	oasis oases  parenthesis parentheses  synthesis syntheses  thesis theses
	base bases  database databases  cache caches  niche niches  headache headaches  use uses  excuse excuses
	cause causes  clause clauses  pause pauses  house houses  warehouse warehouses  course courses  spouse spouses
	movie movies  cookie cookies  tie ties  pie pies  lie lies  zombie zombies  selfie selfies  calorie calories
	abuse abuses  fuse fuses  muse muses  cliche cliches  specimen specimens  regimen regimens  omen omens  menu menus  guru gurus
	gas gases  lens lenses  canvas canvases  atlas atlases  alias aliases  bias biases  chaos chaoses  cosmos cosmoses
`)

// compounds are irregular words that end other words, as in salesperson.
var compounds = []string{"person", "child", "woman", "man", "wife", "life", "shelf", "house", "cache", "base"}

// regularPlurals are words that end in man and have a regular plural.
var regularPlurals = wordSet("human german roman shaman ottoman talisman caiman")

// uncountable words have the same form in singular and plural.
var uncountable = wordSet(`
	advice aircraft analytics athletics baggage bison cash chassis clothing content corps data deer economics electronics
	equipment ethics feedback fish furniture genetics hardware headquarters health homework housework information jewelry
	knowledge logistics luggage machinery mathematics means media merchandise metadata money moose music news offspring
	physics police politics rain research rice robotics salmon scissors series sheep shrimp software spacecraft species
	staff statistics swine traffic trout weather wheat wildlife`)

var plurals, singulars = func() (map[string]string, map[string]string) {
	many, one := map[string]string{}, map[string]string{}
	for i := 0; i < len(irregular); i += 2 {
		many[irregular[i]], one[irregular[i+1]] = irregular[i+1], irregular[i]
	}
	return many, one
}()

// pluralize returns the plural of a lower-case English noun.
func pluralize(w string) string {
	if many, ok := plurals[w]; ok {
		return many
	}
	if uncountable[w] {
		return w
	}
	for _, end := range compounds {
		if strings.HasSuffix(w, end) && !regularPlurals[w] {
			return strings.TrimSuffix(w, end) + plurals[end]
		}
	}
	switch {
	case endsIn(w, "s", "x", "z", "ch", "sh"):
		return w + "es"
	case strings.HasSuffix(w, "y") && len(w) > 1 && !strings.ContainsRune("aeiou", rune(w[len(w)-2])):
		return w[:len(w)-1] + "ies"
	}
	return w + "s"
}

// singularize returns the singular of a lower-case English plural. It returns any
// other word unchanged.
func singularize(w string) string {
	if one, ok := singulars[w]; ok {
		return one
	}
	if _, ok := plurals[w]; ok || uncountable[w] {
		return w
	}
	for _, end := range compounds {
		if strings.HasSuffix(w, plurals[end]) {
			return strings.TrimSuffix(w, plurals[end]) + end
		}
	}
	switch {
	case len(w) < 4 || !strings.HasSuffix(w, "s") || endsIn(w, "ss", "us", "is"):
		return w
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case endsIn(w, "sses", "uses", "xes", "zzes", "tzes", "ches", "shes"):
		return w[:len(w)-2]
	}
	return w[:len(w)-1]
}

func endsIn(w string, endings ...string) bool {
	for _, end := range endings {
		if strings.HasSuffix(w, end) {
			return true
		}
	}
	return false
}

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}
