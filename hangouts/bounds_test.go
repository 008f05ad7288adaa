package hangouts

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// allocated is how many bytes fn allocates, in all.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// burdens are texts that ask for far more memory than they have bytes.
func burdens(size int) map[string]string {
	return map[string]string{
		"arrays that open": strings.Repeat("[", size), "objects that open": strings.Repeat(`{"1":`, size/5),
		"empty arrays": "[" + strings.Repeat("[],", size/3) + "[]]", "left out": "[" + strings.Repeat(",", size) + "]",
		"nested left out": "[null,[" + strings.Repeat(",", size) + "]]", "messages left out": "[[" + strings.Repeat(",", size) + "],[" + strings.Repeat(",", size) + "]]",
		"object keys": "{" + strings.Repeat(`"1":0,`, size/6) + `"1":0}`, "one string": `["` + strings.Repeat("x", size) + `"]`,
		"elements": strings.Repeat("<b>", size/3), "attributes": "<form " + strings.Repeat("a=b ", size/4) + ">",
		"just enough": "[" + strings.Repeat("[1        ],", size/12) + "[]]",
	}
}

// TestAnswersAreBoundedBeforeTheyAreTakenApart: what an answer costs stays a small multiple of it.
func TestAnswersAreBoundedBeforeTheyAreTakenApart(t *testing.T) {
	const size = 2 << 20
	readers := map[string]func(text []byte){
		"push": func(text []byte) { _, _ = pblite.Unmarshal(text, &pb.StateUpdate{}) },
		"batch": func(text []byte) {
			_, _ = pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(text, &pb.BatchUpdate{})
		},
		"messages": func(text []byte) { _, _ = pblite.Unmarshal(text, &pb.MessageContent{}) },
		"elements": func(text []byte) { _, _ = pblite.Elements(text) },
		"upload":   func(text []byte) { _, _ = uploadSession(text) },
		"answer":   func(text []byte) { _ = decodeAnswer(text, &pb.SyncAllNewEventsResponse{}) },
	}
	for name, text := range burdens(size) {
		for reader, read := range readers {
			input := []byte(text)
			require.LessOrEqual(t, allocated(func() { read(input) }), uint64(24*len(text)+4<<20), "%s: %s", reader, name)
		}
	}
}

// TestBinaryAnswersAreBounded: the same for the binary form, where an empty message takes two bytes.
func TestBinaryAnswersAreBounded(t *testing.T) {
	content := &pb.MessageContent{Segment: make([]*pb.Segment, 1<<20)}
	for i := range content.Segment {
		content.Segment[i] = &pb.Segment{}
	}
	many, err := proto.MarshalOptions{AllowPartial: true}.Marshal(&pb.SendChatMessageRequest{MessageContent: content})
	require.NoError(t, err)
	for name, raw := range map[string][]byte{"many": many, "strings": bytes.Repeat([]byte{0x0a, 0}, 1<<20)} {
		text := []byte(base64.StdEncoding.EncodeToString(raw))
		require.LessOrEqual(t, allocated(func() { err = decodeAnswer(text, &pb.SendChatMessageRequest{}) }), uint64(8*len(text)+4<<20), name)
	}
	text := []byte(base64.StdEncoding.EncodeToString(many))
	require.ErrorIs(t, decodeAnswer(text, &pb.SendChatMessageRequest{}), ErrResponse)
	honest := &pb.MessageContent{Segment: content.Segment[:10_000]}
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(honest)
	require.NoError(t, err)
	require.NoError(t, decodeAnswer([]byte(base64.StdEncoding.EncodeToString(raw)), &pb.MessageContent{}))
}

// TestEveryEndpointReadsOnlySoMuch: each kind of answer has its limit in bytes.
func TestEveryEndpointReadsOnlySoMuch(t *testing.T) {
	const size = 20 << 20
	for name, text := range map[string]string{"arrays": strings.Repeat("[", size), "elements": strings.Repeat("<b>", size/3), "attributes": "<a " + strings.Repeat("a ", size/2)} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/o/oauth2/token" && r.FormValue("refresh_token") == "1/good" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"access_token":"x"}`)
				return
			}
			_, _ = io.WriteString(w, text)
		}))
		cfg := Config{BaseURL: srv.URL, Attempts: 1}
		a, err := newAccountService(cfg)
		require.NoError(t, err)
		client, err := New(cfg, map[string]string{"SAPISID": "x"})
		require.NoError(t, err)
		ctx := context.Background()
		for step, c := range map[string]struct {
			request func() error
			limit   uint64
		}{
			"token":    {func() error { _, err := a.refresh(ctx, "1/x"); return err }, 8 << 20},
			"uberauth": {func() error { _, err := a.sessionCookies(ctx, "x"); return err }, 4 << 20},
			"page":     {func() error { _, err := a.credentialLogin(ctx, nil); return err }, 48 << 20},
			"upload":   {func() error { _, err := client.UploadImage(ctx, strings.NewReader("x"), "x"); return err }, 16 << 20},
			"API":      {func() error { _, err := client.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{}); return err }, 6 * size},
		} {
			var err error
			got := allocated(func() { err = c.request() })
			require.Error(t, err, "%s: %s", step, name)
			require.LessOrEqual(t, got, c.limit, "%s: %s", step, name)
		}
		client.Close()
		a.close()
		srv.Close()
	}
}
