package front

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// A Handover is open sockets for processes that serve on them one after another.
type Handover struct {
	Files []*os.File // for a process, from its descriptor 3 on
	Names string     // of the files, for its variable LISTEN_FDNAMES
	Addr  net.Addr   // of the first

	kept []*os.File // own the descriptors of Files
}

// HandOver opens the sockets that [Open] would open, for processes whose options say
// Handed. Clients that come while none of them serves wait.
func HandOver(o Options) (*Handover, error) {
	given, err := listeners(o)
	if err != nil {
		return nil, err
	}
	h := &Handover{Addr: given.main.Addr()}
	if err = h.add(given.main, "https"); err == nil && given.plain != nil {
		err = h.add(given.plain, "http")
	}
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// add closes the listener and keeps its socket. The mode of a socket belongs to all processes
// that have it, and starting a process sets that of a file in the mode without blocking to
// blocking: under a process that accepts. So the file for it is one that was blocking from
// the beginning, which Go leaves as it is.
func (h *Handover) add(listener net.Listener, name string) error {
	kept, err := listener.(*net.TCPListener).File()
	if err = errors.Join(err, listener.Close()); err != nil {
		return fmt.Errorf("keep the socket %s: %w", listener.Addr(), err)
	}
	h.kept = append(h.kept, kept)
	h.Files = append(h.Files, os.NewFile(kept.Fd(), name))
	if h.Names != "" {
		h.Names += ":"
	}
	h.Names += name
	return nil
}

// Close closes the sockets.
func (h *Handover) Close() (err error) {
	for i, file := range h.kept {
		err = errors.Join(err, h.Files[i].Close())
		_ = file.Close() // the same descriptor
	}
	return err
}
