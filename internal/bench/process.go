package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A process is a child process that ends when its standard input is closed.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = os.Stderr
	var err error
	if p.out, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return p, cmd.Start()
}

// close ends the process and waits for it.
func (p *process) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// A loadProcess is the process that holds all clients. It runs [ServeLoad].
type loadProcess struct {
	*process
	ctx     context.Context
	encoder *json.Encoder
	decoder *json.Decoder
}

func startLoad(ctx context.Context) (*loadProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the load generator: %w", err)
	}
	child, err := startProcess(exec.CommandContext(ctx, self, LoadCommand))
	if err != nil {
		return nil, fmt.Errorf("start the load generator: %w", err)
	}
	return &loadProcess{process: child, ctx: ctx, encoder: json.NewEncoder(child.in), decoder: json.NewDecoder(child.out)}, nil
}

// do sends a request and waits for its reply.
func (p *loadProcess) do(req loadRequest, reply *loadReply) error {
	if reply == nil {
		reply = &loadReply{}
	}
	err := p.encoder.Encode(req)
	if err == nil {
		err = p.decoder.Decode(reply)
	}
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case err != nil:
		return fmt.Errorf("the load generator ended: %w", err)
	case reply.Error != "":
		return &hintedError{fmt.Errorf("%s: %s", req.Target, reply.Error), reply.Hint}
	}
	return nil
}

// A floorProcess is the running floor.
type floorProcess struct {
	*process
	url string
}

const floorPackage = "github.com/towerkit/tower/internal/bench/floor"

// startFloor builds the floor with the modules of an application, and starts it.
// The binary and the database are written to folder.
func startFloor(ctx context.Context, application, folder string) (*floorProcess, error) {
	binary := filepath.Join(folder, "floor")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, floorPackage)
	build.Dir = application
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the floor: %w\n%s", err, strings.TrimSpace(string(output)))
	}
	child, err := startProcess(exec.CommandContext(ctx, binary, folder))
	if err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	p := &floorProcess{process: child}
	if p.url, err = bufio.NewReader(p.out).ReadString('\n'); err != nil {
		p.close()
		return nil, errors.New("the floor did not start")
	}
	p.url = strings.TrimSpace(p.url)
	return p, nil
}
