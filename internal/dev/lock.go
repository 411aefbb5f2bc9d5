package dev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/towerkit/tower/internal/lock"
	"github.com/towerkit/tower/internal/private"
)

// A RunningError reports that another process runs the application.
type RunningError struct {
	Folder string
	PID    int    // 0 if unknown
	URL    string // "" if it has no public address
}

func (e *RunningError) Error() string {
	text := "this application is already running"
	if e.PID != 0 {
		text += " in process " + strconv.Itoa(e.PID)
	}
	if e.URL != "" {
		text += " at " + e.URL
	}
	return text
}

// Hint returns advice for the user.
func (e *RunningError) Hint() string {
	if e.PID == 0 {
		return "stop the other tower server first"
	}
	return fmt.Sprintf("use that process, or stop it: kill %d", e.PID)
}

// A folderLock is the lock of the process that runs the application in a folder. The
// system releases it when the process exits.
type folderLock struct {
	file *os.File
}

func lockPath(folder string) string { return filepath.Join(folder, "tmp", "server.lock") }

// lockFolder takes the lock, or returns a [*RunningError].
func lockFolder(folder string) (*folderLock, error) {
	path := lockPath(folder)
	if err := private.OwnFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("lock the application: %w", err)
	}
	for {
		file, err := private.Open(path, os.O_RDWR|os.O_CREATE) // whoever can open it can lock it
		if err != nil {
			return nil, fmt.Errorf("lock the application: %w", err)
		}
		if err := lock.File(file); err != nil {
			file.Close()
			if errors.Is(err, lock.ErrHeld) {
				return nil, readRunning(folder)
			}
			return nil, fmt.Errorf("lock the application: %w", err)
		}
		// The previous owner may have removed the file after it was opened here.
		if mine, err := file.Stat(); err == nil {
			if current, err := os.Stat(path); err == nil && os.SameFile(mine, current) {
				return &folderLock{file}, nil
			}
		}
		file.Close()
	}
}

// writeOwner writes the process id and the URL into the lock file, for the error of a
// second process.
func (l *folderLock) writeOwner(url string) error {
	text := strconv.Itoa(os.Getpid()) + "\n" + url + "\n"
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

// unlock removes the file and releases the lock.
func (l *folderLock) unlock() {
	os.Remove(l.file.Name())
	l.file.Close()
}

func readRunning(folder string) *RunningError {
	e := &RunningError{Folder: folder}
	text, _ := private.ReadFile(lockPath(folder))
	pid, rest, _ := strings.Cut(string(text), "\n")
	e.PID, _ = strconv.Atoi(pid)
	e.URL = strings.TrimSpace(rest)
	return e
}

// Running returns the process that runs the application in folder, or nil.
func Running(folder string) *RunningError {
	held, err := lock.Held(lockPath(folder))
	if err != nil || !held {
		return nil
	}
	return readRunning(folder)
}
