package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A RunningError says that another process runs the application.
type RunningError struct {
	Folder string
	PID    int    // 0: not known
	URL    string // "": it has none
}

func (e *RunningError) Error() string {
	text := "this application is already being run"
	if e.PID != 0 {
		text += " by process " + strconv.Itoa(e.PID)
	}
	if e.URL != "" {
		text += " at " + e.URL
	}
	return text
}

// Hint says what to do about it.
func (e *RunningError) Hint() string {
	if e.PID == 0 {
		return "stop the other tower server first"
	}
	return fmt.Sprintf("use that one, or stop it: kill %d", e.PID)
}

// A folderLock is held while a process runs the application in a folder. It
// ends with the process, however that ends.
type folderLock struct {
	file *os.File
}

func lockPath(folder string) string { return filepath.Join(folder, "tmp", "server.lock") }

// lockFolder takes the lock, or returns a [*RunningError].
func lockFolder(folder string) (*folderLock, error) {
	path := lockPath(folder)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock the application: %w", err)
	}
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock the application: %w", err)
		}
		if err := lockFile(file); err != nil {
			file.Close()
			if errors.Is(err, errLocked) {
				return nil, readRunning(folder)
			}
			return nil, fmt.Errorf("lock the application: %w", err)
		}
		// The holder before may have removed the file that was locked just now.
		if mine, err := file.Stat(); err == nil {
			if current, err := os.Stat(path); err == nil && os.SameFile(mine, current) {
				return &folderLock{file}, nil
			}
		}
		file.Close()
	}
}

// writeOwner writes who holds the lock, for the message of a second one.
func (l *folderLock) writeOwner(url string) error {
	text := strconv.Itoa(os.Getpid()) + "\n" + url + "\n"
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

// unlock removes the file and gives up the lock.
func (l *folderLock) unlock() {
	os.Remove(l.file.Name())
	l.file.Close()
}

func readRunning(folder string) *RunningError {
	e := &RunningError{Folder: folder}
	text, _ := os.ReadFile(lockPath(folder))
	pid, rest, _ := strings.Cut(string(text), "\n")
	e.PID, _ = strconv.Atoi(pid)
	e.URL = strings.TrimSpace(rest)
	return e
}

// Running returns what runs the application in folder, or nil.
func Running(folder string) *RunningError {
	held, err := Locked(lockPath(folder))
	if err != nil || !held {
		return nil
	}
	return readRunning(folder)
}

// Locked reports whether another process has the file at path locked. A file that
// is not there is not held.
func Locked(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = lockFile(file)
	if errors.Is(err, errLocked) {
		return true, nil
	}
	return false, err
}
