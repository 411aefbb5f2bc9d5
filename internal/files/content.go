package files

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// A content reads the chunks of a file, one after another. It opens a chunk when it is read.
type content struct {
	ctx   context.Context
	files *Files
	names []string
	size  int64

	at   int64 // of the next byte
	open io.ReadCloser
	next int64 // the byte that open reads next
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return c.at, errors.New("seek before the beginning of a file")
	}
	c.at = offset
	return c.at, nil
}

func (c *content) Read(p []byte) (int, error) {
	if c.at >= c.size {
		return 0, io.EOF
	}
	if c.open == nil || c.next != c.at || c.at%Chunk == 0 {
		if err := c.turn(); err != nil {
			return 0, err
		}
	}
	end := min(c.size, (c.at/Chunk+1)*Chunk)
	n, err := c.open.Read(p[:min(int64(len(p)), end-c.at)])
	c.at += int64(n)
	c.next = c.at
	if errors.Is(err, io.EOF) {
		err = nil
		if n == 0 {
			err = fmt.Errorf("%s of %s: %w", c.names[c.at/Chunk], c.files.place, io.ErrUnexpectedEOF)
		}
	}
	return n, err
}

// turn opens the chunk of the next byte.
func (c *content) turn() error {
	if err := c.Close(); err != nil {
		return err
	}
	chunk, skip := c.at/Chunk, c.at%Chunk
	if chunk >= int64(len(c.names)) {
		return io.ErrUnexpectedEOF
	}
	opened, err := c.files.get(c.ctx, c.names[chunk])
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", c.names[chunk], c.files.place, err)
	}
	c.open, c.next = opened, c.at
	if seeker, ok := opened.(io.Seeker); ok {
		_, err = seeker.Seek(skip, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, opened, skip)
	}
	return err
}

// Close closes the open chunk. The content can still be read.
func (c *content) Close() error {
	if c.open == nil {
		return nil
	}
	err := c.open.Close()
	c.open = nil
	return err
}
