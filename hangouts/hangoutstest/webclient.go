package hangoutstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// The web client began with two pages, and some other clients take their API key and header
// values from there. What they look for is known from such a client (hangupsjs 1.3.8); all
// else is left out [U].

const (
	pageTokenKind = "pvt."
	webClientKey  = "hangouts-web-client-key"
)

func (s *Server) handleWebClient(mux *http.ServeMux) {
	mux.HandleFunc("GET /talkgadget/_/extension-start", s.servePageToken)
	mux.HandleFunc("GET /webchat/u/{n}/load", s.serveWebClient)
}

// servePageToken answers with an array whose second element is the token that the page of the
// web client wants; it is null for somebody who is not signed in.
func (s *Server) servePageToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.signedInLocked(r)
	var token any
	gaia := ""
	if p != nil {
		gaia = p.GaiaID
		token = s.gen.sign(pageTokenKind, gaia)
	}
	s.mu.Unlock()
	if s.refuse(w, r, "web/token", gaia, s.faults.takeAll(stageRequest, gaia, "web/token")) {
		return
	}
	s.note(r, "web/token", gaia, nil, http.StatusOK)
	writeJSON(w, http.StatusOK, []any{nil, token})
}

// serveWebClient answers with the page of the web client: scripts that queue arrays, each
// known by its first element.
func (s *Server) serveWebClient(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.signedInLocked(r)
	gaia, ok := s.gen.verify(pageTokenKind, r.URL.Query().Get("pvt"))
	s.mu.Unlock()
	if s.refuse(w, r, "web/page", gaia, s.faults.takeAll(stageRequest, gaia, "web/page")) {
		return
	}
	if p == nil || !ok || p.GaiaID != gaia {
		s.note(r, "web/page", gaia, nil, http.StatusBadRequest)
		httpError(w, http.StatusBadRequest)
		return
	}
	s.note(r, "web/page", gaia, nil, http.StatusOK)
	page, err := s.webClientPage(p, s.picturesFor(r))
	if err != nil {
		s.log.Error("Failed to encode a page", "error", err)
		httpError(w, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

func (s *Server) webClientPage(p *person, at pictures) ([]byte, error) {
	ep := endpoints["contacts/getselfinfo"]
	self, err := pblite.Marshal(s.run(ep, p, &pb.GetSelfInfoRequest{}, at, nil))
	if err != nil {
		return nil, err
	}
	page := bytes.NewBufferString("<script>\nvar AF_initDataChunkQueue = [];\n</script>\n")
	for i, chunk := range []any{
		[]any{"cin:cac", nil, webClientKey},
		[]any{"cic:vd", nil, p.Email},
		[]any{"cin:acc", nil, nil, nil, "1500000000", nil, "hangoutstest"},
		[]any{"cin:bcsc", nil, nil, nil, nil, nil, nil, "hangoutstest"},
		json.RawMessage(tagged(ep.tag, self)),
	} {
		data, err := json.Marshal([]any{chunk}) // escapes what would end a script
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(page, "<script>\nAF_initDataChunkQueue.push({key: 'ds:%d', isError: false, hash: '%d', data: function(){return %s\n}});\n</script>\n", i, i+1, data)
	}
	page.WriteString("<!DOCTYPE html><html><head><title>Hangouts</title></head><body></body></html>\n")
	return page.Bytes(), nil
}
