package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/private/privatetest"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

func TestOpenCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "new.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	epoch := s.Epoch()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if s.Seq() != 0 || s.LogStart() != 1 {
		t.Errorf("it begins at %d, its log at %d", s.Seq(), s.LogStart())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(left) != 1 {
		t.Errorf("beside the file are %v", left)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{}); err != nil || s.Epoch() != epoch {
		t.Fatalf("%v, %v", s, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("opening it has changed it: %v", err)
	}
}

func TestModelsThatDoNotGoTogether(t *testing.T) {
	posts, users := mustModel(t, "posts", &post{}), mustModel(t, "users", &user{})
	for _, c := range []struct {
		models []*record.Model
		err    string
	}{
		{[]*record.Model{users, users}, "two models have the name users"},
		{[]*record.Model{posts}, "field AuthorID of posts refers to users, which is not a model of the store"},
	} {
		path := filepath.Join(t.TempDir(), "x.db")
		if _, err := Open(path, Options{Models: c.models}); errorText(err) != c.err {
			t.Error(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the file was created: %v", err)
		}
	}
}

func TestFilesThatAreNoStore(t *testing.T) {
	bare := func(name, format string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(func(btx *bolt.Tx) error {
				bucket, err := btx.CreateBucket([]byte(name))
				return errors.Join(err, bucket.Put([]byte("format"), []byte(format)))
			}); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	damage := func(fn func(data []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			b := &blog{t: t, posts: mustModel(t, "posts", &post{}), users: mustModel(t, "users", &user{}), path: path}
			b.open(Options{})
			for range 300 {
				b.write(strings.Repeat("x", 100), 0)
			}
			b.close()
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, fn(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		err  string
	}{
		{"text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("text "), 10_000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "it is not a store, or it is damaged, restore a backup: invalid database"},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is not a file"},
		{"another program's", bare("jobs", "1"), "it is another program's bbolt file"},
		{"a newer format", bare("meta", "3"), `it has the format "3" of a newer program; this program reads "2"`},
		{"cut off", damage(func(data []byte) []byte { return data[:3*4096] }), "the file is damaged"},
		{"written over", damage(func(data []byte) []byte {
			return append(data[:2*4096:2*4096], make([]byte, len(data)-2*4096)...)
		}), "the file is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			c.make(t, path)
			before, _ := os.ReadFile(path)
			_, err := Open(path, Options{})
			if !strings.HasPrefix(errorText(err), "open the store "+path+": ") || !strings.Contains(errorText(err), c.err) {
				t.Error(err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("opening it has changed it")
			}
			if _, err := os.Stat(holderPath(path)); !os.IsNotExist(err) {
				t.Errorf("its holder is left: %v", err)
			}
		})
	}
}

func TestOpenInAFolderThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(path, "x.db"), Options{}); !strings.HasPrefix(errorText(err), "open the store: "+path+" is not a folder") {
		t.Error(err)
	}
}

// hold is the process that has a file open until its input ends.
func hold(path string) {
	s, err := Open(path, Options{})
	fmt.Println(err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err == nil {
		_ = s.Close()
	}
}

func TestAFileIsHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(holderPath(path), []byte(`{"pid":1,"program":"crashed"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "STORE_TEST_PROCESS=hold", "STORE_TEST_FILE="+path)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err == nil {
		err = other.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if output := make([]byte, len("<nil>\n")); true {
		if _, err := io.ReadFull(stdout, output); err != nil || string(output) != "<nil>\n" {
			t.Fatalf("it printed %s: %v", output, err)
		}
	}
	started := time.Now()
	_, err = Open(path, Options{})
	took := time.Since(started)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != other.Process.Pid || inUse.Path != path || inUse.Program != filepath.Base(os.Args[0]) {
		t.Errorf("%+v", err)
	}
	want := fmt.Sprintf("%s is in use by %s (pid %d): stop it, or open another file", path, inUse.Program, inUse.PID)
	if err.Error() != want || took < time.Second || took > time.Minute {
		t.Errorf("%v after %s", err, took)
	}
	if err := errors.Join(stdin.Close(), other.Wait()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Check(context.Background()), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestAHolderThatIsNotKnown(t *testing.T) {
	for _, content := range []string{"", "{", `{"pid":0}`} {
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(holderPath(path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := inUseError(path); err.Error() != path+" is in use by another process: stop it, or open another file" {
			t.Error(err)
		}
	}
}

func TestAStoreIsThisUsersOwn(t *testing.T) {
	open := func(folder string) error {
		s, err := Open(filepath.Join(folder, "db", "x.db"), Options{})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	t.Run("the file", func(t *testing.T) { privatetest.Written(t, filepath.Join("db", "x.db"), open) })
	t.Run("its holder", func(t *testing.T) { privatetest.Written(t, filepath.Join("db", "x.db.holder"), open) })
}

// TestAStoreOfAGroup opens a store as a container has it on a volume that is given to a group.
func TestAStoreOfAGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db", "x.db")
	for range 2 {
		s, err := Open(path, Options{})
		if err == nil {
			err = errors.Join(s.Close(), os.Chmod(filepath.Dir(path), 0o775), os.Chmod(path, 0o660))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRootOpensAStoreOfTheApplicationsUser opens one as a container does, into which a user has
// mounted an application.
func TestRootOpensAStoreOfTheApplicationsUser(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "application")
	path := filepath.Join(folder, "db", "x.db")
	for range 2 {
		s, err := Open(path, Options{})
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{folder, filepath.Dir(path), path} {
			if os.Getuid() != 0 || os.Chown(path, 1, 1) != nil {
				return // only root can give a file away
			}
		}
	}
}
