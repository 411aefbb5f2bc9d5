// Package upload receives files in chunks, so that an upload that breaks off goes on where it was.
//
//	POST  /_tower/uploads  {"for": "POST /posts", "field": "cover", "name": "a.png", "size": 1234}
//	PATCH /_tower/uploads  Tower-Upload: TOKEN, Tower-Offset: 0, and the next chunk
//	GET   /_tower/uploads  Tower-Upload: TOKEN
//
// Each answers with a State. The first has the token of the upload, which only its user can use, and
// the size of a chunk; every chunk but the last has exactly that size. Once all is stored, the
// state has the token of the file, which an action takes in the place of the file. After an error
// the client asks where to go on. A chunk at another offset is refused with the status 409, and
// the offset is in the header Tower-Offset.
package upload

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
)

// Path is where files are uploaded.
const Path = "/_tower/uploads"

const (
	uploadHeader = "Tower-Upload"
	offsetHeader = "Tower-Offset"
	maxBegin     = 16 << 10 // bytes of a request that begins an upload
)

// A Host is the application.
type Host interface {
	// Admit returns the rules of an input of the action that a method and a path lead to, or an error if
	// the client may not use it.
	Admit(r *http.Request, method, path, field string) (*record.FileRules, error)
	// Seal and Unseal make and read texts for the user of a request.
	Seal(r *http.Request, kind string, value any) (string, error)
	Unseal(r *http.Request, kind, text string, into any) error
	Party(r *http.Request) string
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// A begin is the body of a request that begins an upload.
type begin struct {
	For   string `json:"for"`
	Field string `json:"field"`
	Name  string `json:"name"`
	Size  int64  `json:"size"`
}

// A State is how far an upload is.
type State struct {
	Upload string `json:"upload,omitempty"`
	Chunk  int64  `json:"chunk"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	File   string `json:"file,omitempty"`
}

// An upload is what its token stands for.
type upload struct {
	ID    record.ID `json:"id"`
	For   string    `json:"for"`
	Field string    `json:"field"`
}

// A Server receives uploads.
type Server struct {
	files *files.Files
	host  Host
}

// New returns a server of an application's files.
func New(f *files.Files, host Host) *Server { return &Server{f, host} }

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var state State
	var err error
	switch r.Method {
	case http.MethodPost:
		state, err = s.begin(w, r)
	case http.MethodPatch:
		state, err = s.receive(r)
	case http.MethodGet, http.MethodHead:
		state, err = s.state(r)
	default:
		refused := fault.Errorf(fault.Method, "%s accepts GET, HEAD, POST, PATCH, not %s", Path, r.Method)
		refused.Allow = "GET, HEAD, POST, PATCH"
		err = refused
	}
	var moved *files.OffsetError
	if errors.As(err, &moved) {
		w.Header().Set(offsetHeader, strconv.FormatInt(moved.Next, 10))
	}
	if err != nil {
		s.host.Fail(w, r, Coded(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(state) // the client may be gone
}

// Coded returns an error of receiving a file as the client receives it.
func Coded(err error) error {
	var moved *files.OffsetError
	var many *files.TooManyError
	switch {
	case errors.As(err, &moved):
		return fault.Errorf(fault.Conflict, "%v", moved)
	case errors.As(err, &many):
		return fault.Errorf(fault.TooMany, "%v", many)
	case errors.Is(err, files.ErrGone):
		return fault.Errorf(fault.NotFound, "there is no such upload; begin it again")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Errorf(fault.BadRequest, "the chunk is not whole")
	}
	return err
}

// invalid returns the error of a problem with the file in a field.
func invalid(field, problem string) error {
	problems := &record.Problems{}
	problems.Add(field, problem)
	return &fault.Error{Code: fault.Invalid, Message: "not valid", Problems: problems}
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request) (State, error) {
	var in begin
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBegin))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return State{}, fault.Errorf(fault.BadRequest, "the request cannot be read: %v", err)
	}
	rules, err := s.admit(r, in.For, in.Field)
	if err != nil {
		return State{}, err
	}
	if in.Size < 0 {
		return State{}, invalid(in.Field, "has no size")
	}
	if problem := rules.SizeProblem(in.Size); problem != "" {
		return State{}, invalid(in.Field, problem)
	}
	id, err := s.files.Begin(r.Context(), in.Name, in.Size, s.host.Party(r))
	if err != nil {
		return State{}, err
	}
	e, err := s.files.Entry(r.Context(), id)
	if err != nil {
		return State{}, err
	}
	state, err := s.stateOf(r, &e)
	if err == nil {
		state.Upload, err = s.host.Seal(r, "upload", upload{id, in.For, in.Field})
	}
	return state, err
}

func (s *Server) admit(r *http.Request, action, field string) (*record.FileRules, error) {
	method, path, found := strings.Cut(action, " ")
	if !found {
		return nil, fault.Errorf(fault.BadRequest, "for is %q; it is an action, as POST /posts", action)
	}
	return s.host.Admit(r, method, path, field)
}

// find returns the upload of a request, and the rules of its file.
func (s *Server) find(r *http.Request) (u upload, rules *record.FileRules, err error) {
	if s.host.Unseal(r, "upload", r.Header.Get(uploadHeader), &u) != nil {
		return u, nil, files.ErrGone
	}
	rules, err = s.admit(r, u.For, u.Field)
	return u, rules, err
}

func (s *Server) receive(r *http.Request) (State, error) {
	u, rules, err := s.find(r)
	if err != nil {
		return State{}, err
	}
	offset, err := strconv.ParseInt(r.Header.Get(offsetHeader), 10, 64)
	if err != nil || offset < 0 {
		return State{}, fault.Errorf(fault.BadRequest, "the header %s has no offset", offsetHeader)
	}
	e, err := s.files.Append(r.Context(), u.ID, offset, r.Body, rules)
	var refused *files.Refusal
	if errors.As(err, &refused) {
		return State{}, invalid(u.Field, refused.Problem)
	}
	if err != nil {
		return State{}, err
	}
	return s.stateOf(r, &e)
}

func (s *Server) state(r *http.Request) (State, error) {
	u, _, err := s.find(r)
	if err != nil {
		return State{}, err
	}
	e, err := s.files.Entry(r.Context(), u.ID)
	if err != nil {
		return State{}, err
	}
	return s.stateOf(r, &e)
}

func (s *Server) stateOf(r *http.Request, e *files.Entry) (state State, err error) {
	state = State{Chunk: files.Chunk, Offset: e.Stored, Size: e.Size}
	switch e.State {
	case files.Stored, files.Unused:
		state.File, err = s.host.Seal(r, "file", e.File())
	case files.Gone:
		err = files.ErrGone
	}
	return state, err
}
