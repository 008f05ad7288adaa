package hangoutstest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// reasons of HTTP error bodies (protocol §13.4).
var errorReasons = map[int][2]string{
	http.StatusBadRequest:      {"parseError", "Parse Error"},
	http.StatusUnauthorized:    {"authError", "Invalid Credentials"},
	http.StatusForbidden:       {"dailyLimitExceededUnreg", "Daily Limit for Unauthenticated Use Exceeded. Continued use requires signup."},
	http.StatusNotFound:        {"notFound", "Not Found"},
	http.StatusTooManyRequests: {"rateLimitExceeded", "Rate Limit Exceeded"},
}

// httpError answers with the error body of the service (protocol §13.4).
func httpError(w http.ResponseWriter, code int) {
	reason, ok := errorReasons[code]
	if !ok {
		reason = [2]string{"backendError", http.StatusText(code)}
	}
	body, _ := json.Marshal(map[string]any{"error": map[string]any{
		"errors": []any{map[string]string{"domain": "global", "reason": reason[0], "message": reason[1]}},
		"code":   code, "message": reason[1],
	}})
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// rawStatus answers with a reason phrase that net/http would not write, and closes the
// connection. The body repeats the phrase (protocol §15).
func rawStatus(w http.ResponseWriter, code int, reason, retryAfter string) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, reason, code)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if retryAfter != "" {
		retryAfter = "Retry-After: " + retryAfter + "\r\n"
	}
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=UTF-8\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		code, reason, retryAfter, len(reason), reason)
	_ = buf.Flush()
}

// cutConnection ends the connection in the middle of whatever goes on; with reset as a TCP reset.
func cutConnection(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	under := conn
	for {
		wrapped, ok := under.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		under = wrapped.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	under.Close()
	conn.Close()
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
