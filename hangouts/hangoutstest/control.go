package hangoutstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// controlPrefix is the path of the control interface. Through the proxy it does not exist.
const controlPrefix = "/_control"

// verb is one command of the control interface.
type verb struct {
	help   string
	params reflect.Type // of its body
	change bool         // the body names what changes: every field is optional
	run    func(s *Server, ctx context.Context, body []byte) (any, error)
}

// command makes a verb whose body is exactly one Q.
func command[Q any](help string, run func(*Server, context.Context, *Q) (any, error)) verb {
	return verb{help: help, params: reflect.TypeFor[Q](), run: func(s *Server, ctx context.Context, body []byte) (any, error) {
		q := new(Q)
		if err := decodeStrict(body, q); err != nil {
			return nil, err
		}
		return run(s, ctx, q)
	}}
}

// decodeStrict reads one JSON value without unknown fields; an empty body stands for {}.
func decodeStrict(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the JSON value", ErrInvalid)
	}
	return nil
}

// handleControl serves POST /_control/{verb}.
func (s *Server) handleControl(mux *http.ServeMux) {
	mux.HandleFunc(controlPrefix+"/{verb}", func(w http.ResponseWriter, r *http.Request) {
		if proxied(r) {
			http.NotFound(w, r)
			return
		}
		out, status, err := s.control(w, r)
		if err != nil {
			writeJSON(w, status, map[string]string{"error": strings.ReplaceAll(err.Error(), "\n", " ")})
			return
		}
		if out == nil {
			out = struct{}{}
		}
		writeJSON(w, http.StatusOK, out)
	})
}

func (s *Server) control(w http.ResponseWriter, r *http.Request) (out any, status int, err error) {
	if status, err := s.controlAllowed(r); err != nil {
		return nil, status, err
	}
	v, ok := verbs[r.PathValue("verb")]
	if !ok {
		return nil, http.StatusBadRequest, fmt.Errorf("%w: no verb %q, see help", ErrInvalid, r.PathValue("verb"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	if err != nil {
		return nil, http.StatusBadRequest, err
	}
	out, err = v.run(s, r.Context(), body)
	return out, controlStatus(err), err
}

// controlAllowed keeps web pages out: the control interface hands out credentials, and a browser on this machine
// reaches it for any page that it shows.
func (s *Server) controlAllowed(r *http.Request) (status int, err error) {
	for name := range r.Header {
		if name == "Origin" || strings.HasPrefix(name, "Sec-Fetch-") {
			return http.StatusForbidden, fmt.Errorf("%w: not for web pages (%s)", ErrInvalid, name)
		}
	}
	if !s.ownHost(r) {
		return http.StatusForbidden, fmt.Errorf("%w: Host is neither loopback nor the address of this server", ErrInvalid)
	}
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, fmt.Errorf("%w: only POST", ErrInvalid)
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, fmt.Errorf("%w: Content-Type must be application/json", ErrInvalid)
	}
	return 0, nil
}

// ownHost reports whether the Host header names this machine: loopback, the address that the request came in on, or
// the name that was given to listen on.
func (s *Server) ownHost(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || host != "" && host == s.listenHost {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ip.Unmap().IsLoopback() || local != nil && local.AddrPort().Addr().Unmap() == ip.Unmap()
}

func controlStatus(err error) int {
	var ae *apiError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrScenario), errors.As(err, &ae):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// actor returns a person by key, e-mail or gaia id.
func (s *Server) actor(name string) (*Person, error) {
	if p := s.Person(name); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("person %q: %w", name, ErrNotFound)
}

// patience is how long a waiting verb waits.
type patience struct {
	Timeout Millis `json:"timeout_ms,omitempty"`
}

// wait is the context of a waiting verb; the default is 30 s.
func (p patience) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	d := p.Timeout.Duration()
	if d <= 0 {
		d = 30 * time.Second
	}
	return context.WithTimeout(ctx, d)
}

// verbs is the control interface. Filled in init because help reads it.
var verbs map[string]verb

func init() {
	verbs = map[string]verb{
		"help": command("this list", func(*Server, context.Context, *struct{}) (any, error) {
			out := map[string]string{}
			for name, v := range verbs {
				out[name] = v.usage()
			}
			return out, nil
		}),
	}
	for _, more := range []map[string]verb{actVerbs, pushVerbs, faultVerbs, stateVerbs, waitVerbs} {
		maps.Copy(verbs, more)
	}
}

func verbNames() []string { return slices.Sorted(maps.Keys(verbs)) }

// ControlHelp lists the verbs of the control interface, one line each, with the names and types of their parameters.
func ControlHelp() string {
	var sb strings.Builder
	for _, name := range verbNames() {
		fmt.Fprintf(&sb, "  %-19s %s\n", name, verbs[name].usage())
	}
	return sb.String()
}

// usage is the line of a verb: {name type, optional? type}: what it does.
func (v verb) usage() string {
	return "{" + strings.Join(fieldList(v.params, v.change), ", ") + "}: " + v.help
}

func fieldList(t reflect.Type, optional bool) (list []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			list = append(list, fieldList(f.Type, optional)...)
			continue
		}
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || f.Tag.Get("control") == "-" {
			continue
		}
		if optional || rest == "omitempty" {
			name += "?"
		}
		list = append(list, name+" "+typeName(f))
	}
	return list
}

func typeName(f reflect.StructField) string {
	switch name := f.Tag.Get("control"); {
	case name != "":
		return name
	case f.Type == reflect.TypeFor[Millis]():
		return "ms"
	case f.Type == reflect.TypeFor[[]byte]():
		return "base64"
	case f.Type == reflect.TypeFor[json.RawMessage]():
		return "JSON"
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "int"
	case reflect.Slice:
		return "[string]"
	}
	return "string"
}
