package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/towerkit/tower/internal/private"
)

// An InUseError reports that another process has the file open.
type InUseError struct {
	Path    string
	PID     int    // 0 if it is not known
	Program string // "" if it is not known
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process: stop it, or open another file", e.Path)
	}
	return fmt.Sprintf("%s is in use by %s (pid %d): stop it, or open another file", e.Path, e.Program, e.PID)
}

// A holder is written beside the file by the process that has it open, for the error
// message of other processes. It is not a lock: one that a crash leaves does no harm.
type holder struct {
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
}

func holderPath(path string) string { return path + ".holder" }

func writeHolder(path string) error {
	data, err := json.Marshal(holder{PID: os.Getpid(), Program: filepath.Base(os.Args[0]), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	file, err := private.OpenShared(holderPath(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = file.Write(append(data, '\n'))
	return errors.Join(err, file.Close())
}

// inUseError returns an error that names the process that has the file open, if it is
// known.
func inUseError(path string) error {
	program, pid := Holder(path)
	return &InUseError{Path: path, PID: pid, Program: program}
}

// Holder returns the program and the process that last opened the file; "" and 0 if they are
// not known.
func Holder(path string) (program string, pid int) {
	var h holder
	if file, err := private.OpenShared(holderPath(path), os.O_RDONLY); err == nil {
		if json.NewDecoder(file).Decode(&h) != nil {
			h = holder{}
		}
		_ = file.Close() // it is only read
	}
	return h.Program, h.PID
}
