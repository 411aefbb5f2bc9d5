package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/towerkit/tower/internal/store"
)

const (
	logLine = "tower log 1\n"
	maxPart = 1 << 30 // bytes of one part of an entry, so that damage asks for no more memory
)

// encodeLog returns a log file of commits.
func encodeLog(entries []store.Entry) ([]byte, error) {
	var b bytes.Buffer
	compressed, err := zstd.NewWriter(&b)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewWriter(compressed)
	_, _ = buffered.WriteString(logLine) // Flush returns its error
	var length []byte
	for i := range entries {
		e := &entries[i]
		length = binary.AppendUvarint(length[:0], e.Seq)
		_, _ = buffered.Write(length)
		for _, part := range [...][]byte{e.Data, e.Key, e.Call} {
			length = binary.AppendUvarint(length[:0], uint64(len(part)))
			_, _ = buffered.Write(length)
			_, _ = buffered.Write(part)
		}
	}
	err = errors.Join(buffered.Flush(), compressed.Close())
	return b.Bytes(), err
}

// decodeLog calls fn with each commit of a log file. Of a file that was cut, it calls
// fn with the commits that are whole, and returns [io.ErrUnexpectedEOF].
func decodeLog(r io.Reader, fn func(store.Entry) error) error {
	plain, err := zstd.NewReader(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	buffered := bufio.NewReader(plain)
	line := make([]byte, len(logLine))
	if _, err := io.ReadFull(buffered, line); err != nil {
		return cut(err)
	}
	if string(line) != logLine {
		return fmt.Errorf("it is not a log file that this version reads")
	}
	for {
		seq, err := binary.ReadUvarint(buffered)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e := store.Entry{Seq: seq}
		for _, part := range [...]*[]byte{&e.Data, &e.Key, &e.Call} {
			if *part, err = readPart(buffered); err != nil {
				return cut(err)
			}
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

func readPart(r *bufio.Reader) ([]byte, error) {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if size > maxPart {
		return nil, fmt.Errorf("an entry of %d bytes", size)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(size)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// cut returns the error for a file that ends within an entry.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
