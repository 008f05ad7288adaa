package database

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"
)

// ErrURI means that an address of a database cannot be read. It does not quote it.
var ErrURI = errors.New("database.uri does not fit database.type, or cannot be read; special characters of a password have to be percent-encoded, such as %40 for @")

var errType = errors.New("database.type is not sqlite3-fk-wal or postgres")

// CheckURI refuses an address whose driver would quote it, password and all, in its errors. An empty
// one is fine.
func CheckURI(kind, uri string) error {
	if uri == "" {
		return nil
	}
	if scheme, _, ok := strings.Cut(uri, "://"); ok && isSQLite(kind) && scheme != "file" {
		return ErrURI
	} else if ok && !isSQLite(kind) {
		u, err := url.Parse(uri)
		if err != nil || u.User == nil && strings.Contains(uri, "@") || u.User != nil && strings.Contains(u.Path+u.Fragment, "@") {
			return ErrURI
		}
	}
	if _, err := url.ParseQuery(query(uri)); err != nil && isSQLite(kind) {
		return ErrURI
	}
	db, err := sql.Open(kind, uri) // takes it apart and connects to nothing
	if err != nil && strings.Contains(err.Error(), "unknown driver") {
		return errType
	} else if err != nil {
		return ErrURI
	}
	return db.Close()
}

func query(uri string) string {
	_, text, _ := strings.Cut(uri, "?")
	return text
}

func isSQLite(kind string) bool { return strings.HasPrefix(kind, "sqlite") || kind == "litestream" }

// File is the file of an SQLite database, a path or "file:path?options"; ok is false when there is
// none. In the second form SQLite takes %xx for a byte, ends the path at a #, and allows a host.
func File(kind, uri string) (path string, ok bool) {
	if !isSQLite(kind) {
		return "", false
	}
	path, options, _ := strings.Cut(uri, "?")
	if name, isURI := strings.CutPrefix(path, "file:"); isURI {
		path, _, _ = strings.Cut(name, "#")
		if rest, hasHost := strings.CutPrefix(path, "//"); hasHost {
			_, rest, _ = strings.Cut(rest, "/")
			path = "/" + rest
		}
		if decoded, err := url.PathUnescape(path); err == nil {
			path = decoded
		}
	}
	return path, path != "" && !strings.Contains(path, ":memory:") && !strings.Contains(options, "mode=memory")
}

// WithImmediateLock adds the option without which transactions of SQLite can fail with "database is
// locked".
func WithImmediateLock(kind, uri string) string {
	if !isSQLite(kind) || strings.Contains(uri, "_txlock=") {
		return uri
	}
	if !strings.HasPrefix(uri, "file:") {
		uri = "file:" + uri
	}
	if strings.Contains(uri, "?") {
		return uri + "&_txlock=immediate"
	}
	return uri + "?_txlock=immediate"
}

// hidden is an error with another text.
type hidden struct {
	error
	text string
}

func (h *hidden) Error() string { return h.text }

func (h *hidden) Unwrap() error { return h.error }

// Hide takes out of the text of an error what it quotes of an address: all but the names of the
// host, the user and the database. Drivers quote a part of a password when it splits the address.
func Hide(err error, uri string) error {
	if err == nil || uri == "" {
		return err
	}
	shown := harmless(uri)
	text := err.Error()
	for _, piece := range strings.FieldsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("'\"`=:/@?&#%\\", r) }) {
		if len(piece) > 2 && !shown[piece] {
			text = strings.ReplaceAll(text, piece, "(hidden)")
		}
	}
	return &hidden{err, text}
}

// harmless are the parts of an address that an error may show.
func harmless(uri string) map[string]bool {
	shown := map[string]bool{}
	for _, word := range []string{"file", "postgres", "postgresql", "host", "port", "user", "password", "dbname", "sslmode", "disable", "localhost", "database"} {
		shown[word] = true
	}
	if strings.HasPrefix(uri, "file:") {
		path, _, _ := strings.Cut(uri, "?")
		for _, piece := range strings.FieldsFunc(path, func(r rune) bool { return r == ':' || r == '/' }) {
			shown[piece] = true
		}
	}
	if u, err := url.Parse(uri); err == nil && u.User != nil {
		shown[u.Hostname()], shown[strings.TrimPrefix(u.Path, "/")], shown[u.User.Username()] = true, true, true
	}
	for _, field := range strings.Fields(uri) {
		if key, value, ok := strings.Cut(field, "="); ok && (key == "host" || key == "user" || key == "dbname") {
			shown[value] = true
		}
	}
	return shown
}
