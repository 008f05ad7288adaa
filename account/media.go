package account

import (
	"context"
	"io"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// MediaInfo is what the network says of a file. The bytes themselves decide.
type MediaInfo struct {
	Name string // without folders, "" = none
	MIME string // "" = unknown
	Size int64  // bytes, 0 = unknown
}

// Open implements Session.
func (s *session) Open(ctx context.Context, ref []byte) (io.ReadCloser, MediaInfo, error) {
	conn, err := s.request()
	if err != nil {
		return nil, MediaInfo{}, err
	}
	return conn.Open(ctx, ref)
}

// Upload implements Session.
func (s *session) Upload(ctx context.Context, conversation chat.ConversationID, name, mime string, size int64, r io.Reader) ([]byte, error) {
	conn, err := s.request()
	if err != nil {
		return nil, err
	}
	return conn.Upload(ctx, conversation, name, mime, size, r)
}

// Open is no matter of the login: what a host of files refuses says nothing of the credentials.
func (g *guarded) Open(ctx context.Context, ref []byte) (io.ReadCloser, MediaInfo, error) {
	return g.Connection.Open(ctx, ref)
}

func (g *guarded) Upload(ctx context.Context, conversation chat.ConversationID, name, mime string, size int64, r io.Reader) ([]byte, error) {
	return asking(g, func() ([]byte, error) { return g.Connection.Upload(ctx, conversation, name, mime, size, r) })
}
