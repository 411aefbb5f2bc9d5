package vendored

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// What lies in a source's folder beside its files, such as a program that was built there, is
// not copied.
func TestOnlyWhatIsBuiltIsCopied(t *testing.T) {
	root := fstest.MapFS{}
	for name, text := range map[string]string{
		"tower.go": "package tower", "tower_test.go": "package tower", "go.mod": "", "bin/tower": "a program", "tower": "a program", "notes.txt": "",
		"view/view.go": "package view\n\n//go:embed *.html all:icons\n//go:embed \"one.css\"\nvar files embed.FS\n",
		"view/a.html":  "", "view/one.css": "", "view/two.css": "", "view/icons/.hidden": "", "view/icons/deep/a.svg": "",
		"view/testdata/x.go": "package x", "docs/guide/x.go": "package x", "other/go.mod": "", "other/x.go": "package x", ".git/x.go": "package x",
	} {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	names, err := sourceFiles(root)
	names = slices.DeleteFunc(names, func(name string) bool { return root[name] == nil })
	if want := "go.mod tower.go view/a.html view/icons/.hidden view/icons/deep/a.svg view/one.css view/view.go"; err != nil || strings.Join(names, " ") != want {
		t.Errorf("%v, %v\nwant %s", names, err, want)
	}
	root["view/view.go"].Data = []byte("package view\n\n//go:embed gone.html\nvar page string\n")
	if _, err := sourceFiles(root); err == nil || !strings.Contains(err.Error(), "view/view.go embeds gone.html") {
		t.Errorf("a file that is not there: %v", err)
	}
}
