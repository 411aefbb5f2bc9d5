package cli

import (
	"errors"
	"os"
	"slices"
	"strconv"
)

// A PortFlag is a flag with a number from 0 to 65535.
type PortFlag int

func (p *PortFlag) String() string { return strconv.Itoa(int(*p)) }

func (p *PortFlag) Type() string { return "number" }

func (p *PortFlag) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("a port is a number from 0 to 65535")
	}
	*p = PortFlag(n)
	return nil
}

// ReadEnv sets the port from $PORT if the flag was not given.
func (p *PortFlag) ReadEnv(given bool) error {
	text := os.Getenv("PORT")
	if given || text == "" {
		return nil
	}
	if err := p.Set(text); err != nil {
		return Usage("PORT="+text+": "+err.Error(), "unset PORT, or use --port")
	}
	return nil
}

// Environments are those in which an application runs.
var Environments = []string{"development", "test", "production"}

// An EnvFlag is a flag with one of Environments as its value.
type EnvFlag string

func (e *EnvFlag) String() string { return string(*e) }

func (e *EnvFlag) Type() string { return "name" }

func (e *EnvFlag) Set(text string) error {
	if !slices.Contains(Environments, text) {
		return errors.New("it must be development, test or production")
	}
	*e = EnvFlag(text)
	return nil
}
