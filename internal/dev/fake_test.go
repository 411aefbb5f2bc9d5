package dev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/lock"
)

// The test binary is also the application that the tests supervise: fakeBuild links to it,
// and writes the text of main.go beside the link. The text selects the behavior of the
// application.
func TestMain(m *testing.M) {
	if folder := os.Getenv(superviseVariable); folder != "" {
		runSupervisor(folder)
	}
	if os.Getenv("TOWER_SUPERVISOR") != "" {
		runFake()
		return
	}
	os.Exit(m.Run())
}

// fakeBuild returns a compile function for folder. A main.go with the word broken does
// not compile.
func fakeBuild(folder string) func(context.Context, string) error {
	return func(ctx context.Context, out string) error {
		source, err := os.ReadFile(filepath.Join(folder, "main.go"))
		if err != nil {
			return err
		}
		if strings.Contains(string(source), "slow") {
			<-ctx.Done()
			return ctx.Err()
		}
		if strings.Contains(string(source), "broken") {
			return buildFailure(folder, "# fake\n./main.go:1:4: undefined: broken\n")
		}
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(out), "source"), source, 0o644); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return os.Symlink(self, out)
	}
}

// runFake is the application. It answers requests with the number of its build.
func runFake() {
	number := filepath.Base(filepath.Dir(os.Args[0]))
	source, _ := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "source"))
	does := func(what string) bool { return strings.Contains(string(source), what) }
	home, _ := os.ReadFile("views/home.html")
	if does("dies-before-ready") || strings.Contains(string(home), "broken") {
		fmt.Fprintln(os.Stderr, "views/home/index.html: no such partial")
		os.Exit(1)
	}
	supervisor, err := net.Dial("unix", os.Getenv("TOWER_SUPERVISOR"))
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", os.Getenv("TOWER_ADDR"))
	if err != nil {
		panic(err)
	}
	if _, err := os.Stat("migrated"); does("waits-for-migration") && err != nil {
		fmt.Fprintln(supervisor, "failed 1 migration is pending")
		os.Exit(1)
	}
	fmt.Fprintln(supervisor, "ready", listener.Addr())
	lines := bufio.NewScanner(supervisor)
	if !lines.Scan() || lines.Text() != "open" {
		return
	}
	// Only one process may have the store open.
	store, err := os.OpenFile("store"+filepath.Base(os.Getenv("TOWER_REPLICA")), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		panic(err)
	}
	if err := lock.File(store); err != nil || does("fails-to-open") {
		fmt.Fprintln(supervisor, "failed the store is held by another process")
		os.Exit(1)
	}
	sockets, closeSockets := context.WithCancel(context.Background())
	var open sync.WaitGroup
	mux := fakeHandler(number, string(source), sockets, &open)
	mux.HandleFunc("POST /migrate", func(w http.ResponseWriter, r *http.Request) {
		if os.WriteFile("migrated", nil, 0o644) == nil {
			fmt.Fprintln(supervisor, "migrate")
		}
	})
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	if does("changes-models") {
		fmt.Fprintln(supervisor, "working migrating: 500 posts")
		fmt.Fprintln(supervisor, `note {"title": "The models have changed", "lines": ["posts.title is gone; its values are kept"], "misfits": ["2 of 3 posts do not fit Post"], "hint": "tower generate migration"}`)
	}
	fmt.Fprintln(supervisor, "serving")
	fmt.Printf("build %s serves\n", number)
	if does("panics") {
		go panic("the sky is falling")
		select {}
	}
	for lines.Scan() && lines.Text() != "stop" {
	}
	if does("does-not-stop") {
		select {}
	}
	closeSockets()
	if err := server.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	open.Wait()
}

// die ends this process like kill -9.
func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		self.Kill()
	}
	select {}
}

func fakeHandler(number, source string, sockets context.Context, open *sync.WaitGroup) *http.ServeMux {
	mux := http.NewServeMux()
	formless := strings.Contains(source, "formless")
	upgrader := websocket.Upgrader{}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, number)
	})
	mux.HandleFunc("POST /version", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		// Each body must be written once, also if the process exits.
		file, err := os.OpenFile("posts", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = fmt.Fprintln(file, string(body))
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, number)
	})
	mux.HandleFunc("GET /replica", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", number, filepath.Base(os.Getenv("TOWER_REPLICA")), os.Getenv("TOWER_CONSOLE"))
	})
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("GET /die", func(http.ResponseWriter, *http.Request) { die() })
	mux.HandleFunc("POST /die", func(http.ResponseWriter, *http.Request) { die() })
	mux.HandleFunc("GET /headers", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Host:", r.Host)
		r.Header.Write(w)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("ETag", `"1"`)
		page := fakePage(number, formless)
		w.Header().Set("Content-Length", fmt.Sprint(len(page)))
		io.WriteString(w, page)
	})
	mux.HandleFunc("GET /scripted", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><link rel="stylesheet" href="/_tower/app/board.css"><h1></h1><script type="module" src="/_tower/app/board.js"></script>`)
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "file.txt", time.Time{}, strings.NewReader("a file of an application"))
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-sockets.Done():
		}
	})
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, []byte(number))
		open.Go(func() {
			<-sockets.Done()
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1012, ""), time.Now().Add(time.Second))
		})
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			conn.WriteMessage(kind, message)
		}
	})
	return mux
}

// fakePage returns a page that is taller than a window and has a form.
func fakePage(number string, formless bool) string {
	form := `<form action="/posts" method="post">
<input name="title" value="as it came"><textarea name="body"></textarea>
<input type="checkbox" name="tag" value="a"><input type="checkbox" name="tag" value="b" checked>
<select name="color"><option>red</option><option>green</option></select>
</form>`
	if formless {
		form = ""
	}
	return `<!doctype html><html><head><title>fake</title></head><body><h1>build ` + number + `</h1>` + form + strings.Repeat("<p>a line</p>\n", 200) + `</body></html>`
}
