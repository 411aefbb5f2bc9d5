package scaffolds

import (
	"strings"
	"testing"
)

// An import that is added and removed leaves the file as it was; one that is used stays.
func TestImports(t *testing.T) {
	for _, imports := range []string{
		"import \"a.org/b\"\n",
		"import (\n\t\"fmt\"\n\n\t\"a.org/b\"\n)\n",
		"import (\n\t\"a.org/b\"\n\t\"a.org/c\"\n)\n",
		"import (\n\tother \"a.org/b\"\n\t\"a.org/c\"\n)\n",
	} {
		for _, ending := range []string{"\n", "\r\n"} {
			text := []byte(strings.ReplaceAll("package a\n\n"+imports+"\ntype T struct{}\n", "\n", ending))
			with := withImport(text, "time")
			if imported, used := usesImport(with, "time"); !imported || used || strings.Count(string(with), "\n") != strings.Count(string(with), ending) {
				t.Errorf("with the import:\n%q", with)
			}
			if again := withImport(with, "time"); string(again) != string(with) {
				t.Errorf("imported twice:\n%q", again)
			}
			if without := withoutImport(with, "time"); !sameText(formatted(text, without), text) {
				t.Errorf("without the import:\n%q\nwant\n%q", without, text)
			}
			uses := []byte(string(with) + "var at time.Time" + ending)
			if got := withoutImport(uses, "time"); string(got) != string(uses) {
				t.Errorf("an import that is used is removed:\n%q", got)
			}
		}
	}
}
