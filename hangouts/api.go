package hangouts

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/bounds"
)

// request and response are what all messages of the chat API have in common.
type request interface {
	proto.Message
	GetRequestHeader() *pb.RequestHeader
}

type response[M any] interface {
	*M
	proto.Message
	GetResponseHeader() *pb.ResponseHeader
}

// endpoint is a path of the chat API below /chat/v1/ (protocol §8).
type endpoint struct {
	path   string
	effect bool // a repeat could double something
	// groupOnly names the conversation of a request that only groups know.
	groupOnly *pb.ConversationId
}

var apiHeader = http.Header{
	"Content-Type":                         {"application/x-protobuf"},
	"X-Goog-Encode-Response-If-Executable": {"base64"},
}

// invoke sends a request and decodes its answer (protocol §8.1). The message is not changed:
// a request header is added on the wire when it has none.
func invoke[M any, R response[M]](ctx context.Context, c *Client, e endpoint, req request) (R, error) {
	if req == nil || reflect.ValueOf(req).IsNil() {
		return nil, fmt.Errorf("%s: %w: no message", e.path, ErrBadRequest)
	}
	if err := c.ready(); err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	if err := c.kinds.requireGroup(e.path, e.groupOnly); err != nil {
		return nil, err
	}
	body, err := c.encode(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", e.path, ErrBadRequest, err)
	}
	answer, err := c.post(ctx, upstream{
		op: e.path, address: c.cfg.Endpoints.API + "/chat/v1/" + e.path, alt: "proto",
		header: apiHeader, body: string(body), timeout: c.cfg.RequestTimeout, effect: e.effect,
	})
	if err != nil {
		return nil, err
	}
	resp := R(new(M))
	if err := decodeAnswer(answer, resp); err != nil {
		return nil, &NetworkError{Op: e.path, Code: http.StatusOK, Ambiguous: true, Err: err}
	}
	if status := resp.GetResponseHeader().GetStatus(); status != pb.ResponseStatus_RESPONSE_STATUS_OK {
		return nil, &NetworkError{
			Op: e.path, Code: http.StatusOK, HasStatus: true, Status: status,
			Description: resp.GetResponseHeader().GetErrorDescription(),
			RetryAfter:  backoff(resp.GetResponseHeader()),
			// An answer without a status tells nothing.
			Ambiguous: resp.GetResponseHeader() == nil,
		}
	}
	c.kinds.noteAnswer(resp)
	return resp, nil
}

// encode puts the request header in front: in the binary format that is the same as a
// message which has it.
func (c *Client) encode(req request) ([]byte, error) {
	var body []byte
	if req.GetRequestHeader() == nil {
		header, err := proto.Marshal(&pb.GetSelfInfoRequest{RequestHeader: c.RequestHeader()})
		if err != nil {
			return nil, err
		}
		body = header
	}
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(body, req)
}

// decodeAnswer decodes base64 leniently: characters outside of the alphabet are dropped. It
// overwrites text.
func decodeAnswer(text []byte, m proto.Message) error {
	clean := text[:0]
	for _, b := range text {
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("+/=", b) >= 0 {
			clean = append(clean, b)
		}
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, clean)
	if err != nil {
		return fmt.Errorf("%w: base64", ErrResponse)
	}
	if err := bounds.Proto(raw, m.ProtoReflect().Descriptor()); err != nil {
		return fmt.Errorf("%w: %w", ErrResponse, err)
	}
	if err := (proto.UnmarshalOptions{AllowPartial: true, RecursionLimit: bounds.MaxDepth + 1}).Unmarshal(raw, m); err != nil {
		return fmt.Errorf("%w: protobuf", ErrResponse)
	}
	return nil
}
