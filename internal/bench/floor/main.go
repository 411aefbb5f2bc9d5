// Command floor is a server of nothing but net/http, melody and bbolt, each used in the
// intended way. It shows the least that a message to every client and a durable
// write can cost. tower bench measures applications beside it.
//
//	GET  /socket      opens a WebSocket that receives every broadcast
//	POST /broadcast   sends the body to every socket
//	POST /records     stores the body under a new key, with one index entry, and
//	                  answers when it is durable
//
// Its argument is the folder for its database. It prints its URL, and ends when its
// standard input is closed.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/olahol/melody"
	bolt "go.etcd.io/bbolt"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: floor FOLDER")
	}
	records, err := open(filepath.Join(os.Args[1], "floor.db"))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(records)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println("http://" + listener.Addr().String())
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
		return server.Close()
	case err := <-failed:
		return err
	}
}

func handler(records *records) http.Handler {
	sockets := melody.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		_ = sockets.HandleRequest(w, r) // it answers errors itself
	})
	post := func(path string, do func(body []byte) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = do(body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
		})
	}
	post("/broadcast", sockets.Broadcast)
	post("/records", records.put)
	return mux
}

var values, index = []byte("records"), []byte("index")

// records is the database. One goroutine writes all waiting records in one transaction.
type records struct {
	db      *bolt.DB
	waiting chan write
	last    uint64
}

type write struct {
	body []byte
	done chan error
}

// maxGroup is the highest number of writes in a transaction.
const maxGroup = 1000

func open(path string) (*records, error) {
	db, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) error {
			if _, err := tx.CreateBucket(values); err != nil {
				return err
			}
			_, err := tx.CreateBucket(index)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	r := &records{db: db, waiting: make(chan write, maxGroup)}
	go r.writeAll()
	return r, nil
}

// put stores a body, and returns when it is durable.
func (r *records) put(body []byte) error {
	w := write{body, make(chan error, 1)}
	r.waiting <- w
	return <-w.done
}

func (r *records) writeAll() {
	for first := range r.waiting {
		group := []write{first}
		for len(group) < maxGroup && len(r.waiting) > 0 {
			group = append(group, <-r.waiting)
		}
		err := r.db.Update(func(tx *bolt.Tx) error {
			for _, w := range group {
				r.last++
				key := binary.BigEndian.AppendUint64(nil, r.last)
				if err := tx.Bucket(values).Put(key, w.body); err != nil {
					return err
				}
				if err := tx.Bucket(index).Put(append([]byte("createdAt"), key...), key); err != nil {
					return err
				}
			}
			return nil
		})
		for _, w := range group {
			w.done <- err
		}
	}
}
