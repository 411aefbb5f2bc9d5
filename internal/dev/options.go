package dev

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Options say what to run. The zero value of each field is its default.
type Options struct {
	Folder  string    // of the application; default: the working directory
	Host    string    // to listen on; default: localhost, on both loopback addresses
	Port    int       // to listen on; default: any free one
	Env     string    // development, test or production; default: development
	Environ []string  // of go build and of the application; default: os.Environ()
	Output  io.Writer // of progress, and of what the application prints; default: none
	Color   bool      // colors in Output
	Open    bool      // show the application in a browser when it first serves

	// Served is called when a new build has come to serve, for what is made from
	// the running application; not in production. It returns what to say, if
	// anything. Calls do not overlap. Default: none.
	Served func(context.Context) (note string, err error)
}

func (o Options) withDefaults() (Options, error) {
	folder, err := filepath.Abs(o.Folder)
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return o, fmt.Errorf("find the application: %w", err)
	}
	o.Folder = folder
	if o.Host == "" {
		o.Host = "localhost"
	}
	if o.Env == "" {
		o.Env = "development"
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Color {
		o.Environ = append(o.Environ[:len(o.Environ):len(o.Environ)], "CLICOLOR_FORCE=1")
	}
	return o, nil
}

func (o Options) production() bool { return o.Env == "production" }
