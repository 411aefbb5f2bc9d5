package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
)

// A portFlag is a flag with a number from 0 to 65535.
type portFlag int

func (p *portFlag) String() string { return strconv.Itoa(int(*p)) }

func (p *portFlag) Type() string { return "number" }

func (p *portFlag) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("a port is a number from 0 to 65535")
	}
	*p = portFlag(n)
	return nil
}

// readEnv sets the port from $PORT if the flag was not given.
func (p *portFlag) readEnv(given bool) error {
	text := os.Getenv("PORT")
	if given || text == "" {
		return nil
	}
	if err := p.Set(text); err != nil {
		return &usageError{message: "PORT=" + text + ": " + err.Error(), hint: "unset PORT, or use --port"}
	}
	return nil
}

var environments = []string{"development", "test", "production"}

// An envFlag is a flag with one of environments as its value.
type envFlag string

func (e *envFlag) String() string { return string(*e) }

func (e *envFlag) Type() string { return "name" }

func (e *envFlag) Set(text string) error {
	if !slices.Contains(environments, text) {
		return errors.New("it must be development, test or production")
	}
	*e = envFlag(text)
	return nil
}
