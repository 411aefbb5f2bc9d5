package control

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/wire"
)

// A Server serves the consoles of one application.
type Server struct {
	app      *server.App
	listener net.Listener

	mu      sync.Mutex
	clients map[net.Conn]struct{}
	closed  bool
	running sync.WaitGroup
}

// Open listens for consoles of an open application at [wire.SocketPath]. It replaces a
// socket that a dead process left there, and fails if the path is in use otherwise.
// It returns a [Server]; closing that ends all consoles.
func Open(a *server.App) (io.Closer, error) {
	folder, runtime, err := controlFolders(a.Config().Folder)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	path := wire.SocketPath(folder, runtime)
	if filepath.Dir(path) == runtime { // it may lie in /tmp, where others can make it first
		err = private.Folder(runtime)
	} else {
		err = private.OwnFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	listener, err := private.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	c := &Server{app: a, listener: listener, clients: map[net.Conn]struct{}{}}
	if err := c.serveNodes(); err != nil {
		_ = listener.Close() // err says what is wrong
		return nil, err
	}
	c.running.Go(c.accept)
	return c, nil
}

// OpenForNodes lets consoles that are attached to other nodes see this one. None can attach to
// it.
func OpenForNodes(a *server.App) (io.Closer, error) {
	c := &Server{app: a}
	return c, c.serveNodes()
}

// serveNodes serves what the consoles of other nodes ask for.
func (c *Server) serveNodes() error {
	if g := c.app.Nodes(); g != nil {
		return g.Listen(map[string]nodes.Handler{aboutConsole: c.serveNode})
	}
	return nil
}

// SocketPath returns the path of the socket at which the application in a folder serves
// consoles.
func SocketPath(folder string) (string, error) {
	real, runtime, err := controlFolders(folder)
	return wire.SocketPath(real, runtime), err
}

// controlFolders returns the application's folder without symlinks, and the folder for
// the sockets of this user.
func controlFolders(folder string) (real, runtime string, err error) {
	if real, err = filepath.Abs(folder); err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	return real, wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid()), err
}

func (c *Server) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			_ = conn.Close()
			return
		}
		c.clients[conn] = struct{}{}
		c.running.Go(func() { c.serve(conn) })
		c.mu.Unlock()
	}
}

// Close removes the socket, ends all consoles and waits until they have ended.
func (c *Server) Close() error {
	c.mu.Lock()
	c.closed = true
	var err error
	if c.listener != nil {
		err = c.listener.Close() // removes the socket
	}
	for conn := range c.clients {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.running.Wait()
	return err
}
