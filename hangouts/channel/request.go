package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxAnswer limits the body of an answer that is not a long poll.
const maxAnswer = 1 << 20

// create makes a session (protocol §5.4).
func (c *Channel) create(ctx context.Context) (*session, error) {
	query := url.Values{"VER": {"8"}, "RID": {"81188"}, "ctype": {"hangouts"}}
	body, err := c.post(ctx, query, nil)
	if err != nil {
		return nil, fmt.Errorf("creating the channel: %w", err)
	}
	sid, gsessionid, err := parseSession(body)
	if err != nil {
		return nil, fmt.Errorf("creating the channel: %w", err)
	}
	return newSession(ctx, sid, gsessionid), nil
}

// addServices subscribes a session to the services (protocol §5.3).
func (c *Channel) addServices(ctx context.Context, s *session) error {
	maps := make([]string, len(c.cfg.Services))
	for i, service := range c.cfg.Services {
		name, err := json.Marshal(service)
		if err != nil {
			return fmt.Errorf("service name: %w", err)
		}
		maps[i] = fmt.Sprintf(`{"3": {"1": {"1": %s}}}`, name)
	}
	query := url.Values{"VER": {"8"}, "RID": {"81188"}, "ctype": {"hangouts"}, "gsessionid": {s.gsessionid}, "SID": {s.sid}}
	_, err := c.post(ctx, query, maps)
	return err
}

// openPoll sends the GET of the long poll (protocol §5.7).
func (c *Channel) openPoll(ctx context.Context, s *session) (*http.Response, error) {
	query := url.Values{
		"VER": {"8"}, "gsessionid": {s.gsessionid}, "RID": {"rpc"}, "t": {"1"}, "SID": {s.sid},
		"CI": {"0"}, "ctype": {"hangouts"}, "TYPE": {"xmlhttp"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.URL+"?"+query.Encode(), nil)
	if err != nil {
		return nil, withoutURL(err)
	}
	// A compressed stream would be held back by buffers on the way.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.cfg.Do(req)
	if err != nil {
		return nil, requestError(err)
	}
	if err := checkStatus(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// checkStatus turns a status other than 200 into an error. Unknown SID is recognised by the
// reason phrase or, where that got lost, by the body.
func checkStatus(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	if resp.StatusCode == http.StatusBadRequest {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if strings.Contains(resp.Status, "Unknown SID") || bytes.Contains(body, []byte("Unknown SID")) {
			return ErrUnknownSID
		}
	}
	return newStatusError(resp)
}

// encodeMaps is the body of a forward channel request (protocol §5.3).
func encodeMaps(maps []string) string {
	var b strings.Builder
	b.WriteString("count=" + strconv.Itoa(len(maps)) + "&ofs=0")
	for i, m := range maps {
		b.WriteString("&req" + strconv.Itoa(i) + "_p=" + url.QueryEscape(m))
	}
	return b.String()
}

// post sends maps and returns the body of the answer. It sends again at once when no answer came.
func (c *Channel) post(ctx context.Context, query url.Values, maps []string) ([]byte, error) {
	var err error
	for range c.cfg.Attempts {
		var body []byte
		body, err = c.postOnce(ctx, query, maps)
		if err == nil {
			return body, nil
		}
		var status *StatusError
		if errors.As(err, &status) || errors.Is(err, ErrUnknownSID) || errors.Is(err, ErrMalformed) || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (c *Channel) postOnce(ctx context.Context, query url.Values, maps []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL+"?"+query.Encode(), strings.NewReader(encodeMaps(maps)))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.cfg.Do(req)
	if err != nil {
		return nil, requestError(err)
	}
	defer resp.Body.Close()
	if err := checkStatus(resp); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", withoutURL(err))
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, maxAnswer)
	}
	return body, nil
}
