package nullhs

import (
	"crypto/sha256"
	"fmt"
	"net/http"

	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

const mediaPath = "/_matrix/media/v3"

// mediaEndpoints: the content repository, kept in memory and in the state file.
var mediaEndpoints = []endpoint{
	{pattern: "GET " + clientV1 + "/media/config", handle: (*Server).mediaConfig},
	{pattern: "GET " + mediaPath + "/config", handle: (*Server).mediaConfig},
	{pattern: "POST " + mediaPath + "/upload", handle: (*Server).upload},
	{pattern: "POST /_matrix/media/v1/create", handle: (*Server).createMedia},
	{pattern: "PUT " + mediaPath + "/upload/{server}/{media}", handle: (*Server).upload},
	{pattern: "GET " + clientV1 + "/media/download/{server}/{media}", handle: (*Server).download},
	{pattern: "GET " + clientV1 + "/media/download/{server}/{media}/{name}", handle: (*Server).download},
	{pattern: "GET " + clientV1 + "/media/thumbnail/{server}/{media}", handle: (*Server).download},
}

func (s *Server) mediaConfig(*call) (any, error) {
	return object{"m.upload.size": s.opts.MaxUpload}, nil
}

func (s *Server) mxc(mediaID string) object {
	return object{"content_uri": "mxc://" + s.opts.ServerName + "/" + mediaID}
}

func (s *Server) createMedia(*call) (any, error) { return s.mxc(random.String(24)), nil }

func (s *Server) upload(c *call) (any, error) {
	if int64(len(c.body)) > s.opts.MaxUpload {
		return nil, mautrix.MTooLarge.WithMessage("Upload request body is too large")
	}
	mediaID := c.PathValue("media")
	if mediaID == "" {
		mediaID = random.String(24)
	} else if s.data.media[mediaID] != nil {
		return nil, mautrix.RespError{ErrCode: "M_CANNOT_OVERWRITE_MEDIA", StatusCode: http.StatusConflict, Err: "Media ID already has content"}
	}
	contentType := c.Header.Get("Content-Type")
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	s.commit(&addMedia{mediaID, contentType, c.URL.Query().Get("filename"), c.who.user, c.body})
	return s.mxc(mediaID), nil
}

func (s *Server) download(c *call) (any, error) {
	m := s.data.media[c.PathValue("media")]
	if m == nil || c.PathValue("server") != s.opts.ServerName {
		return nil, mautrix.MNotFound.WithMessage("Media not found")
	}
	c.w.Header().Set("Content-Type", m.contentType)
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(m.bytes)
	return raw{}, nil
}

// Upload is a file in the media repository.
type Upload struct {
	URI    id.ContentURIString
	User   id.UserID
	Size   int
	SHA256 string // in hexadecimal digits
}

// Uploads returns all files in the media repository, in no order.
func (s *Server) Uploads() (list []Upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, m := range s.data.media {
		uri := id.ContentURI{Homeserver: s.opts.ServerName, FileID: name}
		list = append(list, Upload{uri.CUString(), m.user, len(m.bytes), fmt.Sprintf("%x", sha256.Sum256(m.bytes))})
	}
	return list
}

// MediaCount is how many files are in the media repository.
func (s *Server) MediaCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.data.media)
}
