// Package front opens the addresses at which an application is reached: with
// certificates that it obtains and renews itself, on sockets that systemd hands over, or
// as plain HTTP.
package front

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Options say where an application is reached.
type Options struct {
	Addr string // to listen on; "": 127.0.0.1:3000, with domains :443

	// Domains are the names for which certificates are obtained. Without them the front
	// speaks plain HTTP.
	Domains      []string
	HTTPAddr     string // with domains: for plain HTTP, which is redirected; "": :80
	Certificates string // with domains: the folder where certificates are kept
	Directory    string // with domains: of the authority; "": Let's Encrypt
	Email        string // with domains: where the authority sends warnings; "": nowhere

	// Handed says that a supervisor, which could not know this process's number, has handed
	// over the sockets.
	Handed bool

	Log *slog.Logger
}

// A Front is the open addresses of an application.
type Front struct {
	main    net.Listener
	plain   net.Listener // redirects to main; nil: none
	manager *autocert.Manager
	domains []string
	handed  bool
	log     *slog.Logger
	end     context.CancelFunc // ends what is asked of the authority; nil: there is none
	visits  visits
	servers []*http.Server // that Serve runs
	served  chan struct{}  // closed when Serve accepts no more

	mu     sync.Mutex
	logged map[string]time.Time // when an error of the certificate of a domain was logged
}

// Open listens. A socket that systemd hands over is used in place of Addr; of two, the one
// that is named http, or else the second, is used in place of HTTPAddr.
func Open(o Options) (*Front, error) {
	f := &Front{domains: o.Domains, handed: o.Handed, log: o.Log, served: make(chan struct{}), logged: map[string]time.Time{}}
	if o.Handed {
		if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
			return nil, fmt.Errorf("take over the sockets: %w", err)
		}
	}
	given, err := listeners(o)
	if err != nil {
		return nil, err
	}
	f.main, f.plain = given.main, given.plain
	if len(o.Domains) == 0 {
		return f, nil
	}
	f.manager = &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(o.Certificates), HostPolicy: autocert.HostWhitelist(o.Domains...), Email: o.Email}
	ctx, cancel := context.WithCancel(context.Background())
	f.end = cancel
	f.manager.Client = &acme.Client{DirectoryURL: cmp.Or(o.Directory, autocert.DefaultACMEDirectory), HTTPClient: &http.Client{Transport: bounded{ctx}}}
	return f, nil
}

// listeners returns what systemd hands over, and listens where that is missing.
func listeners(o Options) (sockets, error) {
	given, err := activated()
	if err != nil {
		return given, err
	}
	if len(o.Domains) == 0 {
		if given.plain = nil; given.main == nil {
			given.main, err = listen(cmp.Or(o.Addr, "127.0.0.1:3000"))
		}
		return given, err
	}
	if given.main == nil {
		if given.main, err = listen(cmp.Or(o.Addr, ":443")); err != nil {
			return given, err
		}
	}
	if given.plain == nil {
		if given.plain, err = listen(cmp.Or(o.HTTPAddr, ":80")); err != nil {
			return given, errors.Join(err, given.main.Close())
		}
	}
	return given, nil
}

func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return listener, nil
}

// sockets are the listeners that systemd hands over; nil: none.
type sockets struct{ main, plain net.Listener }

// activated returns the sockets of systemd: those that are named https and http, and in
// place of a name their order.
func activated() (s sockets, err error) {
	for _, file := range activation.Files(true) {
		listener, err := net.FileListener(file)
		name := file.Name()
		_ = file.Close() // the listener has its own descriptor
		if err != nil {
			return s, fmt.Errorf("the socket %s of systemd: %w", name, err)
		}
		switch {
		case name == "http" && s.plain == nil:
			s.plain = listener
		case s.main == nil:
			s.main = listener
		case s.plain == nil:
			s.plain = listener
		default:
			return s, errors.Join(fmt.Errorf("the socket %s of systemd is one too many", name), listener.Close())
		}
	}
	if s.main == nil {
		s.main, s.plain = s.plain, nil
	}
	return s, nil
}

// Addr returns the address that the front listens on.
func (f *Front) Addr() net.Addr { return f.main.Addr() }

// Handed reports whether a supervisor has handed over the sockets. It may hand them to another
// process after this one.
func (f *Front) Handed() bool { return f.handed }

// URL returns the address for people.
func (f *Front) URL() string {
	if len(f.domains) > 0 {
		return "https://" + f.domains[0]
	}
	return "http://" + f.main.Addr().String()
}

// Close ends listening.
func (f *Front) Close() error {
	err := f.main.Close()
	if f.end != nil {
		f.end()
	}
	if f.plain != nil {
		err = errors.Join(err, f.plain.Close())
	}
	return err
}

// redirect leads plain requests to the same address over HTTPS. Requests that carry a body
// have sent it in the clear, so they are refused.
func (f *Front) redirect(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !slices.Contains(f.domains, strings.ToLower(host)) {
		http.Error(w, "This server does not serve the host "+host+".", http.StatusMisdirectedRequest)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Use HTTPS.", http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
}
