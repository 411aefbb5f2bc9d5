// Command blog is an application with nothing in it but what a supervisor needs.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
)

func main() {
	supervisor, err := net.Dial("unix", os.Getenv("TOWER_SUPERVISOR"))
	if err != nil {
		fmt.Println("alone,", greeting)
		return
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
	go serve(listener)
	fmt.Fprintln(supervisor, "serving")
	fmt.Println("serving", greeting)
	for lines.Scan() && lines.Text() != "stop" {
	}
}

// serve answers every request with the same page.
func serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
		}
		page := "<body><h1>" + greeting + " from " + os.Getenv("TOWER_ENV") + "</h1></body>"
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
		conn.Close()
	}
}
