package accounttest

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// File is a file of the network, and how reading it goes.
type File struct {
	Data []byte
	Info account.MediaInfo // Size is filled if it is 0
	Err  error             // Open fails with it
	// Cut ends the bytes after that many with io.ErrUnexpectedEOF; 0 = not at all.
	Cut int
	// Until, if set, is waited for before the last byte.
	Until <-chan struct{}
}

// PutFile makes a file that Open finds under a handle.
func (n *Network) PutFile(ref string, f File) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.files[ref] = f
}

// File returns the bytes of a file, also of one that was uploaded.
func (n *Network) File(ref []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.files[string(ref)].Data
}

// Opened is how often a file was opened.
func (n *Network) Opened(ref string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened[ref]
}

// Uploads is how many files were uploaded.
func (n *Network) Uploads() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.uploads
}

// OnUpload decides whether an upload fails; nil lets all pass.
func (n *Network) OnUpload(fault func() error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uploadErr = fault
}

// SetAvatar gives a person a photo and tells all who are in a conversation with them.
func (n *Network) SetAvatar(id chat.PersonID, ref string) {
	n.mu.Lock()
	p := n.people[id]
	p.Avatar = []byte(ref)
	n.people[id] = p
	update := account.Update{People: []chat.Person{p}}
	for in, c := range n.conversations {
		if c.snapshot.Has(id) {
			n.pushLocked(in, update)
		}
	}
	n.mu.Unlock()
	n.flush()
}

func (c *connection) Open(ctx context.Context, ref []byte) (io.ReadCloser, account.MediaInfo, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	f, ok := c.n.files[string(ref)]
	c.n.opened[string(ref)]++
	switch {
	case !ok:
		return nil, account.MediaInfo{}, fmt.Errorf("%w: no such file", chat.ErrRefused)
	case f.Err != nil:
		return nil, account.MediaInfo{}, f.Err
	}
	if f.Info.Size == 0 {
		f.Info.Size = int64(len(f.Data))
	}
	return &reading{ctx: ctx, file: f, left: bytes.NewReader(f.Data), closed: make(chan struct{})}, f.Info, nil
}

// reading is a file on its way.
type reading struct {
	ctx    context.Context
	file   File
	left   *bytes.Reader
	closed chan struct{}
}

func (r *reading) Read(p []byte) (int, error) {
	read := len(r.file.Data) - r.left.Len()
	if r.file.Cut > 0 {
		if read >= r.file.Cut {
			return 0, io.ErrUnexpectedEOF
		}
		p = p[:min(len(p), r.file.Cut-read)]
	}
	if r.file.Until != nil && r.left.Len() <= 1 {
		select {
		case <-r.file.Until:
		case <-r.closed:
			return 0, io.ErrClosedPipe
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	} else if r.file.Until != nil {
		p = p[:min(len(p), r.left.Len()-1)]
	}
	return r.left.Read(p)
}

func (r *reading) Close() error {
	close(r.closed)
	return nil
}

func (c *connection) Upload(_ context.Context, _ chat.ConversationID, name, mime string, size int64, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if err = c.allowed(); err == nil && c.n.uploadErr != nil {
		err = c.n.uploadErr()
	}
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) != size:
		return nil, fmt.Errorf("%w: %d bytes of %d", chat.ErrRefused, len(data), size)
	}
	c.n.uploads++
	ref := fmt.Sprintf("uploaded-%d", c.n.uploads)
	c.n.files[ref] = File{Data: data, Info: account.MediaInfo{Name: name, MIME: mime}}
	return []byte(ref), nil
}
