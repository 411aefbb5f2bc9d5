package dev

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/towerkit/tower/internal/edge"
)

// Options describe the application to run. The zero value of a field means its default.
type Options struct {
	Folder  string    // the application's folder; default: the working directory
	Host    string    // host to listen on; default: localhost, on both loopback addresses
	Port    int       // port to listen on; default: any free port
	Env     string    // development, test or production; default: development
	Environ []string  // environment of go build and the application; default: os.Environ()
	Output  io.Writer // receives progress and what the application prints; default: none
	Color   bool      // use colors in Output
	Quiet   bool      // the application logs no line for each request
	Open    bool      // open a browser when the application first serves
	Nodes   int       // processes that serve the application, which then needs TOWER_DB in Environ; default: one

	// Served is called outside production when a new build serves, to generate files
	// from the running application. The supervisor prints the note, if it is not
	// empty, or the error. Calls do not overlap. Default: none.
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
	o.Nodes = max(o.Nodes, 1)
	if net.ParseIP(o.Host) == nil && o.Host != "localhost" { // it is served as this host as well
		hosts := strings.Trim(o.variable("TOWER_HOSTS")+","+o.Host, ",")
		o.Environ = append(o.Environ[:len(o.Environ):len(o.Environ)], "TOWER_HOSTS="+hosts)
	}
	if o.Quiet {
		o.Environ = append(o.Environ[:len(o.Environ):len(o.Environ)], "TOWER_ACCESS_LOG=off")
	}
	if o.Color {
		o.Environ = append(o.Environ[:len(o.Environ):len(o.Environ)], "CLICOLOR_FORCE=1")
	}
	return o, nil
}

// site returns the addresses under which tower server answers in development. The
// environment of the application adds to them.
func (o Options) site() (*edge.Site, error) {
	site, err := edge.New(edge.Config{Env: o.Env, PublicURL: o.variable("TOWER_URL"),
		Hosts: edge.Members(o.variable("TOWER_HOSTS")), Proxies: edge.Members(o.variable("TOWER_TRUSTED_PROXIES"))})
	if err != nil {
		return nil, fmt.Errorf("the settings of the site: %w", err)
	}
	return site, nil
}

// variable returns the value of a variable in the environment of the application.
func (o Options) variable(name string) (value string) {
	for _, pair := range o.Environ {
		if of, text, _ := strings.Cut(pair, "="); of == name {
			value = text
		}
	}
	return value
}

func (o Options) production() bool { return o.Env == "production" }
