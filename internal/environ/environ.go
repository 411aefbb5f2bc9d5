// Package environ reads the variables that configure an application: those of the process
// and, outside of production, those of its .env files.
package environ

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

// Process is where a variable of the process itself comes from.
const Process = "the environment"

// An Environment is the variables of an application. A variable that is empty counts as
// not set. It does not change, and is safe for concurrent use.
type Environment struct{ values map[string]value }

type value struct{ text, from string }

// Read returns the variables of the process and those of the files .env.ENV and .env in
// folder, in this order of precedence. In production it reads no file.
func Read(folder, env string) (*Environment, error) {
	e := &Environment{values: map[string]value{}}
	if env != "production" {
		for _, name := range []string{".env", ".env." + env} {
			if err := e.readFile(folder, name); err != nil {
				return nil, err
			}
		}
	}
	for _, pair := range os.Environ() {
		name, text, _ := strings.Cut(pair, "=")
		e.set(name, text, Process)
	}
	return e, nil
}

func (e *Environment) readFile(folder, name string) error {
	file, err := os.Open(filepath.Join(folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer file.Close()
	found, err := godotenv.Parse(file)
	if err != nil {
		return fmt.Errorf("%s is not lines of NAME=value", name) // the error of the parser may hold a secret
	}
	for variable, text := range found {
		e.set(variable, text, name)
	}
	return nil
}

// set gives a variable a value, in place of what an earlier source gave it.
func (e *Environment) set(name, text, from string) {
	if text == "" {
		delete(e.values, name)
		return
	}
	e.values[name] = value{text, from}
}

// Get returns the value of a variable, "" if it is not set.
func (e *Environment) Get(name string) string { return e.values[name].text }

// Or returns the value of a variable, or else a default.
func (e *Environment) Or(name, fallback string) string {
	if text := e.Get(name); text != "" {
		return text
	}
	return fallback
}

// From returns where the value of a variable comes from: [Process], or the name of a file;
// "" if it is not set.
func (e *Environment) From(name string) string { return e.values[name].from }

// All returns the values of all variables.
func (e *Environment) All() map[string]string {
	all := make(map[string]string, len(e.values))
	for name := range maps.Keys(e.values) {
		all[name] = e.values[name].text
	}
	return all
}
