// Command app is the smallest application that a supervisor can run.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	supervisor, err := net.Dial("unix", os.Getenv("TOWER_SUPERVISOR"))
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", os.Getenv("TOWER_ADDR"))
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(supervisor, "ready", listener.Addr())
	lines := bufio.NewScanner(supervisor)
	if !lines.Scan() || lines.Text() != "open" {
		return
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getenv("TOWER_ENV"), " ", os.Getpid())
	}))
	fmt.Fprintln(supervisor, "serving")
	for lines.Scan() && lines.Text() != "stop" {
	}
}
