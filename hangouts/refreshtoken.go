package hangouts

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// RefreshTokenStore keeps the refresh token of an account. It does not fail: an unreadable token counts
// as none, and a token that could not be stored is missing at the next login.
type RefreshTokenStore interface {
	// Get returns the token, empty when there is none.
	Get(ctx context.Context) string
	// Set replaces the token.
	Set(ctx context.Context, token string)
}

// RefreshTokenCache is a RefreshTokenStore in a file that only its owner may read (protocol §4.6).
type RefreshTokenCache struct {
	// Logger gets the failures of Get and Set. Default: discard.
	Logger *slog.Logger

	filename string
}

var _ RefreshTokenStore = (*RefreshTokenCache)(nil)

// NewRefreshTokenCache names the file. It need not exist.
func NewRefreshTokenCache(filename string) *RefreshTokenCache {
	return &RefreshTokenCache{filename: filename}
}

func (c *RefreshTokenCache) log() *slog.Logger {
	if c.Logger == nil {
		return discard
	}
	return c.Logger
}

// maxToken limits what is read of the file.
const maxToken = 64 << 10

// Get returns the content of the file without white space around it.
func (c *RefreshTokenCache) Get(ctx context.Context) string {
	if c == nil {
		return ""
	}
	f, err := os.Open(c.filename)
	if err != nil {
		c.log().InfoContext(ctx, "No refresh token", "error", err)
		return ""
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		c.log().WarnContext(ctx, "Failed to read the refresh token", "error", err)
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// Set replaces the file as a whole, with mode 0600.
func (c *RefreshTokenCache) Set(ctx context.Context, token string) {
	if c == nil {
		return
	}
	if err := c.write(token); err != nil {
		c.log().WarnContext(ctx, "Failed to keep the refresh token", "error", err)
	}
}

func (c *RefreshTokenCache) write(token string) error {
	f, err := os.CreateTemp(filepath.Dir(c.filename), ".refresh-token-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it was renamed
	_, err = f.WriteString(token)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), c.filename)
}
