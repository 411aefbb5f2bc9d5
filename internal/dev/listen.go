package dev

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// A PortError reports that the supervisor could not listen on a port.
type PortError struct {
	Port int
	Err  error
}

func (e *PortError) Error() string {
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		return fmt.Sprintf("port %d is in use by another program", e.Port)
	}
	return fmt.Sprintf("cannot listen on port %d: %v", e.Port, e.Err)
}

func (e *PortError) Unwrap() error { return e.Err }

// Hint returns advice for the user.
func (e *PortError) Hint() string {
	if e.Port < 1024 {
		return "choose a port above 1023: tower server --port 3000"
	}
	return fmt.Sprintf("stop that program, or choose another port: tower server --port %d", e.Port%65535+1)
}

// listen listens on host:port. For localhost it listens on both loopback addresses, if
// both exist: a browser may try either first, and no other program must answer on one of
// them.
func listen(host string, port int) ([]net.Listener, error) {
	if host != "localhost" {
		l, err := listenOn(host, port)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	four, err := listenOn("127.0.0.1", port)
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		six, err := listenOn("::1", port)
		return []net.Listener{six}, err
	}
	if err != nil {
		return nil, err
	}
	six, err := listenOn("::1", portOf(four))
	if err == nil {
		return []net.Listener{four, six}, nil
	}
	if port != 0 && errors.Is(err, syscall.EADDRINUSE) {
		four.Close()
		return nil, err
	}
	return []net.Listener{four}, nil
}

func listenOn(host string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, &PortError{Port: port, Err: err}
	}
	return l, nil
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// publicURL returns the address to open in a browser.
func publicURL(host string, port int) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port))
}
