package hangoutstest

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// upload is an announced picture (protocol §8.27).
type upload struct {
	gaia string
	name string
	size int64
}

func (p *photo) path() string { return "/photos/" + p.ID + "/" + url.PathEscape(p.Name) }

const rupio = "uploader_service.GoogleRupioAdditionalInfo"

// serveUpload handles both steps of an upload.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("upload_id")
	endpoint := "upload/start"
	if id != "" {
		endpoint = "upload/data"
	}
	p := s.authenticate(r)
	if p == nil {
		s.note(r, endpoint, "", nil, http.StatusUnauthorized)
		httpError(w, http.StatusUnauthorized)
		return
	}
	faults := s.faults.takeAll(stageRequest, p.GaiaID, endpoint)
	if s.refuse(w, r, endpoint, p.GaiaID, faults) {
		return
	}
	if r.URL.Query().Get("key") == "" {
		s.note(r, endpoint, p.GaiaID, nil, http.StatusForbidden)
		httpError(w, http.StatusForbidden)
		return
	}
	s.note(r, endpoint, p.GaiaID, nil, http.StatusOK)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUploadBody))
	if err != nil {
		httpError(w, http.StatusRequestEntityTooLarge)
		return
	}
	var answer any
	if f := pick(faults, FaultResponse); f != nil {
		answer = uploadError(f.Description)
	} else if id == "" {
		answer = s.startUpload(r, p, body)
	} else {
		answer = s.finishUpload(p, id, body, s.picturesFor(r))
	}
	if answer == nil {
		httpError(w, http.StatusBadRequest)
		return
	}
	out, _ := json.Marshal(answer)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	s.answer(w, r, out, faults)
}

func (s *Server) startUpload(r *http.Request, p *person, body []byte) any {
	var req struct {
		CreateSessionRequest struct {
			Fields []struct {
				External *struct {
					Filename string `json:"filename"`
					Size     int64  `json:"size"`
				} `json:"external"`
			} `json:"fields"`
		} `json:"createSessionRequest"`
	}
	if json.Unmarshal(body, &req) != nil {
		return nil
	}
	for _, f := range req.CreateSessionRequest.Fields {
		if f.External == nil {
			continue
		}
		if f.External.Size <= 0 || f.External.Size > maxUploadBody {
			return uploadError("File size is not acceptable.")
		}
		s.mu.Lock()
		if len(s.uploads) >= maxUploads {
			s.uploads = map[string]*upload{}
		}
		id := s.gen.urlSafe(32)
		s.uploads[id] = &upload{p.GaiaID, f.External.Filename, f.External.Size}
		s.mu.Unlock()
		scheme := "http://"
		if r.TLS != nil {
			scheme = "https://"
		}
		target := scheme + r.Host + "/upload/photos/resumable?upload_id=" + id + "&file_id=000"
		return map[string]any{"sessionStatus": map[string]any{"state": "OPEN", "upload_id": id,
			"externalFieldTransfers": []any{map[string]any{"name": "file", "status": "IN_PROGRESS", "putInfo": map[string]any{"url": target}}}}}
	}
	return uploadError("No file in the request.")
}

func (s *Server) finishUpload(p *person, id string, body []byte, at pictures) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.gaia != p.GaiaID {
		return uploadError("Unknown upload.")
	}
	if int64(len(body)) != u.size {
		return uploadError("Size does not match the announced one.")
	}
	delete(s.uploads, id)
	ph := &photo{ID: "6" + s.gen.digits(18), Name: u.name, Owner: p.GaiaID, Data: body}
	if ph.Name == "" {
		ph.Name = "photo"
	}
	if s.commitLocked(op{Photo: ph}) != nil {
		return uploadError("Backend error.")
	}
	return map[string]any{"sessionStatus": map[string]any{"state": "FINALIZED", "additionalInfo": map[string]any{
		rupio: map[string]any{"completionInfo": map[string]any{"status": "SUCCESS",
			"customerSpecificInfo": map[string]any{"photoid": ph.ID, "url": at.attached + ph.path()}}}}}}
}

func uploadError(message string) any {
	return map[string]any{"errorMessage": map[string]any{"reason": "REJECTED", "additionalInfo": map[string]any{
		rupio: map[string]any{"completionInfo": map[string]any{"status": "REJECTED",
			"customerSpecificInfo": map[string]any{"status": 400, "message": message}}}}}}
}

// servePhoto serves an uploaded picture; like the real service without authentication.
func (s *Server) servePhoto(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ph := s.world.photos[r.PathValue("id")]
	s.mu.Unlock()
	if ph == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", http.DetectContentType(ph.Data))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": ph.Name}))
	_, _ = w.Write(ph.Data)
}

// serveAvatar draws a picture for a person: one colour per gaia id.
func (s *Server) serveAvatar(w http.ResponseWriter, r *http.Request) {
	gaia := strings.TrimSuffix(r.PathValue("name"), ".png")
	s.mu.Lock()
	p := s.world.people[gaia]
	s.mu.Unlock()
	if p == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(avatar(gaia))
}

func avatar(gaia string) []byte {
	h := uint32(2166136261)
	for i := range len(gaia) {
		h = (h ^ uint32(gaia[i])) * 16777619
	}
	img := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{
		color.RGBA{byte(h), byte(h >> 8), byte(h >> 16), 255}, color.White})
	for y := 20; y < 44; y++ {
		for x := 20; x < 44; x++ {
			img.SetColorIndex(x, y, 1)
		}
	}
	var buf bytes.Buffer
	_ = png.Encode(&buf, img)
	return buf.Bytes()
}
