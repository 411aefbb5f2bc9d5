//go:build linux

package deploy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is a release that does what a real one is asked for, without serving: the file running
// says that a supervisor runs.
const program = `#!/bin/sh
# build %d
case "${TOWER_DEPLOY:-$TOWER_MIGRATE}" in
status) [ -f running ] && echo "$(basename "$(readlink current)") serves since noon" ;;
swap*)
  version=${TOWER_DEPLOY#swap }
  case $version in bad-*) echo "error: $version failed" >&2; exit 1 ;; esac
  ln -sfn "$(readlink current)" previous; ln -sfn "releases/$version" current
  printf '%%s serves\033[31m now\n' "$version" ;;
plan | run | accept) echo "$TOWER_MIGRATE" >> migrated; echo report ;;
*) [ "$TOWER_RELEASES" = on ] && touch running ;;
esac
`

// A target is a folder of this machine that a deployment takes for that of a host.
type target struct {
	t      *testing.T
	d      *Deployment
	folder string
	bin    string // programs of the host, before its own
	out    bytes.Buffer
	builds int
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{t: t, folder: filepath.Join(t.TempDir(), "it's a folder"), bin: t.TempDir()}
	s.d = &Deployment{Options: Options{Host: "host", Folder: s.folder, Name: "notes", SSH: []string{filepath.Join(s.bin, "ssh")}, Out: &s.out}, Keep: 2,
		Migrate: func(out io.Reader, _ string, _ bool) (string, error) {
			_, err := io.Copy(io.Discard, out)
			return "", err
		}}
	s.provide("ssh", fmt.Sprintf("for script; do :; done\nPATH=%s:$PATH exec sh -c \"$script\"", s.bin))
	return s
}

// provide makes a program of the host.
func (s *target) provide(name, script string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// deploy deploys another build, and returns the name of its release.
func (s *target) deploy(version string) (release string, err error) {
	s.builds++
	s.out.Reset()
	s.d.Build = func(_ context.Context, _, file string) (string, error) {
		return version, os.WriteFile(file, fmt.Appendf(nil, program, s.builds), 0o700)
	}
	err = s.d.Run(s.t.Context())
	return filepath.Base(s.link("current")), err
}

func (s *target) must(version string) string {
	s.t.Helper()
	release, err := s.deploy(version)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.out.String())
	}
	return release
}

// refused deploys a release, which must fail for a reason and change no link and no release.
func (s *target) refused(version, reason string) {
	s.t.Helper()
	current, previous, releases := s.link("current"), s.link("previous"), s.releases()
	if _, err := s.deploy(version); err == nil || !strings.Contains(err.Error(), reason) {
		s.t.Errorf("it failed with %v\n%s", err, s.out.String())
	}
	if s.link("current") != current || s.link("previous") != previous || !slices.Equal(s.releases(), releases) {
		s.t.Errorf("it changed the releases from %s to %s, and the links from %s and %s to %s and %s", releases, s.releases(), current, previous, s.link("current"), s.link("previous"))
	}
}

func (s *target) link(name string) string {
	to, _ := os.Readlink(filepath.Join(s.folder, name))
	return to
}

// releases returns the names of the complete ones.
func (s *target) releases() (names []string) {
	files, err := filepath.Glob(filepath.Join(s.folder, "releases", "*", "notes"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	slices.Sort(names)
	return names
}

func TestDeploysKeepTheNewestReleases(t *testing.T) {
	s := newTarget(t)
	v0 := s.must("v0")
	v1 := s.must("v1")
	v2 := s.must("v2")
	if got := s.releases(); !slices.Equal(got, []string{v1, v2}) {
		t.Errorf("of %s, %s, %s there are %s", v0, v1, v2, got)
	}
	s.out.Reset()
	if err := s.d.Rollback(t.Context()); err != nil || s.link("current") != "releases/"+v1 {
		t.Errorf("rolled back to %s: %v", s.link("current"), err)
	}
	if strings.Contains(s.out.String(), "\033") {
		t.Errorf("the host controls the terminal: %q", s.out.String())
	}
	v3 := s.must("v3") // and the one before it, v1, which is older than v2
	if got := s.releases(); !slices.Equal(got, []string{v1, v2, v3}) {
		t.Errorf("after the rollback and a deploy there are %s", got)
	}
	s.builds-- // the same once more
	if again := s.must("v3"); again != v3 || !strings.Contains(s.out.String(), "nothing to do") {
		t.Errorf("%s\n%s", again, s.out.String())
	}
	s.out.Reset()
	if err := s.d.Status(t.Context()); err != nil || !strings.Contains(s.out.String(), v3+" serves since noon\nrelease "+v3+"\nrelease ") {
		t.Errorf("%v\n%s", err, s.out.String())
	}
}

func TestADeployThatIsRefusedChangesNothing(t *testing.T) {
	s := newTarget(t)
	s.must("v0")
	s.must("v1")
	s.provide("df", `echo head; echo "/dev/sda 100000 99000 1000 99% /"`)
	s.refused("v2", "0 MB free, and 64 MB are needed")
	if err := os.Remove(filepath.Join(s.bin, "df")); err != nil {
		t.Fatal(err)
	}
	s.provide("awk", `case $2 in *meminfo) echo 1000 ;; *) exec /usr/bin/awk "$@" ;; esac`)
	s.refused("v2", "0 MB of memory free")
	if err := os.Remove(filepath.Join(s.bin, "awk")); err != nil {
		t.Fatal(err)
	}
	for output, reason := range map[string]string{
		"os Darwin":                            "runs Darwin; tower deploy knows Linux",
		"os Linux\narch ../../etc":             "has a processor ../../etc",
		"os Linux\narch \033[2Jx":              "has a processor [2Jx",
		"":                                     "did not say what it is: does this user have a shell there?",
		"closed /srv":                          "must not write to /srv",
		"os Linux\narch x86_64\ndisk -1":       "of the host has -1 MB free",
		"os Linux\narch x86_64\ndisk much":     "of the host has 0 MB free",
		"os Linux\narch x86_64\nmemory 999999": "of the host has 0 MB free",
	} {
		s.provide("ssh", "cat <<'END'\n"+output+"\nEND")
		s.refused("v2", reason)
	}
	s.provide("ssh", "yes 'sum of nothing' | head -c 20000000; echo 'Permission denied (publickey).' >&2; exit 255")
	s.refused("v2", "reach host by ssh: Permission denied (publickey).")
}

func TestAnUploadThatIsCut(t *testing.T) {
	s := newTarget(t)
	s.must("v0")
	whole, err := os.ReadFile(filepath.Join(s.bin, "ssh"))
	if err != nil {
		t.Fatal(err)
	}
	s.provide("ssh", fmt.Sprintf("for script; do :; done\nhead -c 100 | PATH=%s:$PATH sh -c \"$script\"", s.bin))
	s.refused("v1", "the upload was cut or changed on its way")
	if err := os.WriteFile(filepath.Join(s.bin, "ssh"), whole, 0o700); err != nil {
		t.Fatal(err)
	}
	s.builds--
	v1 := s.must("v1")
	if left, _ := filepath.Glob(filepath.Join(s.folder, "releases", "*", ".part")); len(left) > 0 || s.link("current") != "releases/"+v1 {
		t.Errorf("it left %s; current is %s", left, s.link("current"))
	}
}

func TestAReleaseThatFailsOnTheHost(t *testing.T) {
	s := newTarget(t)
	v0 := s.must("v0")
	if _, err := s.deploy("bad"); err == nil || !strings.Contains(err.Error(), "failed") || s.link("current") != "releases/"+v0 {
		t.Errorf("%v; current is %s", err, s.link("current"))
	}
	if err := os.Mkdir(filepath.Join(s.folder, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.d.Migrate = func(io.Reader, string, bool) (string, error) { return "12 posts have no title", nil }
	if _, err := s.deploy("v1"); err == nil || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "12 posts have no title; --accept goes on") {
		t.Errorf("a migration that loses: %v", err)
	}
	if s.link("current") != "releases/"+v0 {
		t.Errorf("current is %s", s.link("current"))
	}
}

// A link that leads nowhere is that of a host on which nothing runs: the deploy starts the first release anew.
func TestABrokenLinkIsMendedByADeploy(t *testing.T) {
	s := newTarget(t)
	s.must("v0")
	if err := os.RemoveAll(filepath.Join(s.folder, "releases")); err != nil {
		t.Fatal(err)
	}
	if err := s.d.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "no supervisor runs") {
		t.Errorf("the status: %v", err)
	}
	if err := s.d.Rollback(t.Context()); err == nil || !strings.Contains(err.Error(), "no supervisor runs") {
		t.Errorf("the rollback: %v", err)
	}
	if v1 := s.must("v1"); s.link("current") != "releases/"+v1 {
		t.Errorf("current is %s", s.link("current"))
	}
}
