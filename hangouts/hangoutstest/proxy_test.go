package hangoutstest_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// viaProxy is a server with its proxy and an HTTP client that trusts its authority.
func viaProxy(t *testing.T) (*hangoutstest.Server, *http.Client, *x509.Certificate) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := start(t, hangoutstest.Options{ProxyListen: "127.0.0.1:0", CAFile: file})
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, data, s.CAPEM())
	block, _ := pem.Decode(data)
	ca, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	proxyURL, err := url.Parse(s.ProxyURL)
	require.NoError(t, err)
	transport := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, ca
}

func TestProxyAuthority(t *testing.T) {
	_, _, ca := viaProxy(t)
	require.True(t, ca.IsCA)
	require.True(t, ca.BasicConstraintsValid)
	require.NotZero(t, ca.KeyUsage&x509.KeyUsageCertSign, "strict clients ask for it")
	require.Equal(t, []string{"google.com", "googleapis.com", "googleusercontent.com"}, ca.PermittedDNSDomains, "certifies nothing else")
	require.Nil(t, start(t, hangoutstest.Options{}).CAPEM())
}

func TestProxyServesGoogleHosts(t *testing.T) {
	s, client, _ := viaProxy(t)
	c := newRaw(t, s, 0)
	for _, host := range []string{"accounts.google.com", "docs.google.com", "0.client-channel.google.com", "29.client-channel.google.com",
		"chat-pa.clients6.google.com", "clients6.google.com", "www.google.com", "talkgadget.google.com", "hangouts.google.com",
		"www.googleapis.com", "people-pa.clients6.google.com"} {
		resp, err := client.Get("https://" + host + "/MergeSession")
		require.NoError(t, err, host)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, 1, resp.ProtoMajor)
	}
	resp, err := client.Get("http://www.google.com/")
	require.NoError(t, err, "the target of the merge, in plain HTTP")
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)

	// Below google.com cookies get its domain; the reason phrase passes unchanged.
	req, _ := http.NewRequest("POST", "https://0.client-channel.google.com"+bindPath+"?VER=8", nil)
	req.Header = c.headers()
	resp, err = client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Contains(t, resp.Header.Get("Set-Cookie"), "; Domain=.google.com; Path=/")
	req, _ = http.NewRequest("GET", "https://0.client-channel.google.com"+bindPath+"?SID=x", nil)
	req.Header = c.headers()
	resp, err = client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, "400 Unknown SID", resp.Status)

	// An upload address stays on https.
	req, _ = http.NewRequest("POST", "https://docs.google.com/upload/photos/resumable?key=k",
		strings.NewReader(`{"createSessionRequest":{"fields":[{"external":{"filename":"a","size":1}}]}}`))
	req.Header = c.headers()
	resp, err = client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		require.NotEmpty(t, line)
	}
	require.Contains(t, line, `"https://docs.google.com/upload/photos/resumable?upload_id=`)
}

func TestProxyRefusesOthers(t *testing.T) {
	s, client, _ := viaProxy(t)
	for _, target := range []string{"https://example.com/", "https://evilgoogle.com/", "https://google.com.example.com/", "http://example.com/",
		"https://accounts.google.com:8443/", "https://127.0.0.1:443/"} {
		resp, err := client.Get(target)
		if err == nil {
			resp.Body.Close()
			require.Equal(t, 403, resp.StatusCode, target)
			continue
		}
		require.Contains(t, err.Error(), "Forbidden", target)
	}
	// The control interface is not there through the proxy.
	resp, err := client.Get("https://accounts.google.com/_control/accounts")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 404, resp.StatusCode)
	// A client that speaks no TLS after CONNECT, or goes away, harms nobody.
	for _, after := range []string{"GET / HTTP/1.1\r\n\r\n", ""} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.ProxyURL, "http://"))
		require.NoError(t, err)
		fmt.Fprint(conn, "CONNECT accounts.google.com:443 HTTP/1.1\r\nHost: accounts.google.com:443\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 200 OK\r\n", line)
		fmt.Fprint(conn, after)
		conn.Close()
	}
}

// TestProxyPictures: a client that reaches Google's names only gets addresses there, and the proxy serves them. Others
// get addresses of the server.
func TestProxyPictures(t *testing.T) {
	s, client, _ := viaProxy(t)
	untouched := newRaw(t, s, 0)
	untouched.base, untouched.http = "https://clients6.google.com", client
	direct := newRaw(t, s, 0)
	fetch := func(address string) string {
		t.Helper()
		get := http.Get
		if !strings.HasPrefix(address, s.URL) {
			get = client.Get
		}
		resp, err := get(address)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode, address)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(data)
	}
	const google = "//lh3.googleusercontent.com/"

	// People, in every answer that shows them.
	carol := s.Person("carol").GaiaID()
	self, found, looked, suggested := &pb.GetSelfInfoResponse{}, &pb.SearchEntitiesResponse{}, &pb.GetEntityByIdResponse{}, &pb.GetSuggestedEntitiesResponse{}
	require.Equal(t, ok, untouched.call("contacts/getselfinfo", &pb.GetSelfInfoRequest{}, self))
	require.Equal(t, ok, untouched.call("contacts/searchentities", &pb.SearchEntitiesRequest{Query: proto.String("carol"), MaxCount: proto.Uint64(5)}, found))
	byID := &pb.GetEntityByIdRequest{BatchLookupSpec: []*pb.EntityLookupSpec{{GaiaId: proto.String(carol)}}}
	require.Equal(t, ok, untouched.call("contacts/getentitybyid", byID, looked))
	require.Equal(t, ok, untouched.call("contacts/getsuggestedentities", &pb.GetSuggestedEntitiesRequest{MaxCount: proto.Uint64(9)}, suggested))
	people := append([]*pb.Entity{self.SelfEntity, looked.EntityResult[0].Entity[0]}, append(found.Entity, suggested.Entity...)...)
	shown := 0
	for _, e := range people {
		address := e.GetProperties().GetPhotoUrl()
		if address == "" { // erin has none
			continue
		}
		shown++
		require.Equal(t, google+"avatars/"+e.GetId().GetGaiaId()+".png", address)
		require.Contains(t, fetch("https:"+address), "PNG")
		require.Contains(t, fetch("http:"+address), "PNG")
	}
	require.GreaterOrEqual(t, shown, 5)
	require.Equal(t, ok, direct.call("contacts/getentitybyid", byID, looked))
	require.Equal(t, s.URL+"/avatars/"+carol+".png", looked.EntityResult[0].Entity[0].GetProperties().GetPhotoUrl())

	// An upload, its message's answer, pushes and history.
	for _, c := range []struct {
		*raw
		base string
	}{{untouched, "https:" + google}, {direct, s.URL + "/"}} {
		id, address := c.upload("cat.gif", "GIF89a")
		require.True(t, strings.HasPrefix(address, c.base+"photos/"), address)
		require.Equal(t, "GIF89a", fetch(address))
		p, other := untouched.connect().poll, direct.connect().poll
		sent := &pb.SendChatMessageResponse{}
		require.Equal(t, ok, c.call("conversations/sendchatmessage", &pb.SendChatMessageRequest{
			ExistingMedia:      &pb.ExistingMedia{Photo: &pb.Photo{PhotoId: proto.String(id)}},
			EventRequestHeader: eventHeader(conversation(t, s, "team"), s.Now()),
		}, sent))
		require.Equal(t, address, photoOf(sent.GetCreatedEvent()).GetThumbnail().GetImageUrl())
		for base, e := range map[string]*pb.Event{"https:" + google: p.event(), s.URL + "/": other.event()} {
			photo := photoOf(e)
			for _, address := range []string{photo.GetUrl(), photo.GetOriginalContentUrl(), photo.GetThumbnail().GetImageUrl()} {
				require.True(t, strings.HasPrefix(address, base+"photos/"), address)
				require.Equal(t, "GIF89a", fetch(address))
			}
		}
		history := &pb.SyncAllNewEventsResponse{}
		require.Equal(t, ok, c.call("conversations/syncallnewevents", &pb.SyncAllNewEventsRequest{
			LastSyncTimestamp: sent.GetCreatedEvent().Timestamp, MaxResponseSizeBytes: proto.Uint64(1 << 20)}, history))
		require.Equal(t, address, photoOf(history.ConversationState[0].Event[0]).GetThumbnail().GetImageUrl())
	}
}

func photoOf(e *pb.Event) *pb.PlusPhoto {
	return e.GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem().GetPlusPhoto()
}

var uploadAnswer = regexp.MustCompile(`"photoid":"(\d+)","url":"([^"]+)"`)

// upload uploads a picture and returns its id and address.
func (c *raw) upload(name, data string) (id, address string) {
	c.t.Helper()
	announce := fmt.Sprintf(`{"createSessionRequest":{"fields":[{"external":{"filename":%q,"size":%d}}]}}`, name, len(data))
	_, answer := c.do("POST", "/upload/photos/resumable?alt=json&key=k", nil, announce)
	_, target, found := strings.Cut(answer, c.base)
	require.True(c.t, found, answer)
	target, _, _ = strings.Cut(strings.ReplaceAll(target, `\u0026`, "&"), `"`)
	_, answer = c.do("POST", target+"&alt=json&key=k", nil, data)
	match := uploadAnswer.FindStringSubmatch(answer)
	require.NotNil(c.t, match, answer)
	return match[1], match[2]
}
