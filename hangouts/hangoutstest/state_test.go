package hangoutstest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func TestStateSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	first, err := hangoutstest.Start(hangoutstest.Options{StateFile: file, Seed: 7})
	require.NoError(t, err)
	ada := newRaw(t, first, 0)
	team, direct := conversation(t, first, "team"), conversation(t, first, "direct")
	_, status := ada.message(direct, "kept 😀", 99)
	require.Equal(t, ok, status)
	_, err = first.Person("carol").Rename("team", "Renamed")
	require.NoError(t, err)
	_, err = first.Person("carol").Remove("team", "dave")
	require.NoError(t, err)
	require.NoError(t, first.Account(1).Read("direct", 0))
	ada.call("conversations/modifyconversationview", &pb.ModifyConversationViewRequest{
		ConversationId: cid(team), NewView: pb.ConversationView_CONVERSATION_VIEW_ARCHIVED.Enum()}, &pb.ModifyConversationViewResponse{})
	ada.call("presence/setpresence", &pb.SetPresenceRequest{DndSetting: &pb.DndSetting{
		DoNotDisturb: proto.Bool(true), TimeoutSecs: proto.Uint64(3600)}}, &pb.SetPresenceResponse{})
	_, err = first.Person("carol").SendPhoto("carol", "", "a.png", []byte("pixels"))
	require.NoError(t, err)
	require.NoError(t, first.InvalidateCookies("user2"))
	code, err := first.AuthorizationCode("user2")
	require.NoError(t, err)
	tokenStatus, answer := token(t, first, "/o/oauth2/token", "grant_type", "authorization_code", "code", code)
	require.Equal(t, 200, tokenStatus)
	_, err = first.AddPerson(hangoutstest.ScenarioPerson{Key: "late", Name: "Late"})
	require.NoError(t, err)
	ada.connect()
	lastUS := first.Now()
	accounts, events, convs, people := first.Accounts(), flat(first.Events("")), first.Conversations(), first.People()
	base := first.URL
	first.Close()
	http.DefaultClient.CloseIdleConnections()
	ada.http.CloseIdleConnections()

	second, err := hangoutstest.Start(hangoutstest.Options{StateFile: file, Listen: strings.TrimPrefix(base, "http://"), Seed: 8})
	require.NoError(t, err)
	defer second.Close()
	require.Equal(t, accounts, second.Accounts())
	require.Equal(t, answer["refresh_token"], second.Account(1).RefreshToken())
	require.Equal(t, events, flat(second.Events("")))
	require.Equal(t, convs, second.Conversations())
	require.Equal(t, people, second.People())
	require.Empty(t, second.Channels(""), "SIDs do not survive")
	require.Greater(t, second.Now(), lastUS-1_000_000)
	// Access tokens and cookies do; a repeated request is still recognised.
	cookies := trade(t, second, answer["access_token"].(string))
	require.Equal(t, second.Account(1).Cookies(), cookies)
	repeat, status := ada.message(direct, "kept 😀", 99)
	require.Equal(t, ok, status)
	require.Len(t, flat(second.Events("direct")), 3)
	require.Equal(t, "99", repeat.GetSelfEventState().GetClientGeneratedId())
	// Nothing is handed out twice.
	fresh, _ := ada.message(direct, "new", 100)
	for _, e := range events {
		require.NotEqual(t, e.EventID, fresh.GetEventId())
		require.Less(t, e.TimestampUS, fresh.GetTimestamp())
	}
	_, err = hangoutstest.Start(hangoutstest.Options{StateFile: file})
	require.ErrorIs(t, err, hangoutstest.ErrState, "in use")
}

// flat leaves the messages out, which compare badly.
func flat(list []hangoutstest.EventInfo) []hangoutstest.EventInfo {
	for i := range list {
		list[i].Event = nil
	}
	return list
}

func TestTornAndForeignStateFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s, err := hangoutstest.Start(hangoutstest.Options{StateFile: file})
	require.NoError(t, err)
	_, err = s.Person("carol").Send("carol", "whole")
	require.NoError(t, err)
	n := len(s.Events(""))
	s.Close()
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(whole, []byte(`{"us":1,"ops":[{"eve`)...), 0o600))
	s, err = hangoutstest.Start(hangoutstest.Options{StateFile: file})
	require.NoError(t, err, "a torn last line was never answered")
	require.Len(t, s.Events(""), n)
	_, err = s.Person("carol").Send("carol", "more")
	require.NoError(t, err)
	s.Close()
	s, err = hangoutstest.Start(hangoutstest.Options{StateFile: file})
	require.NoError(t, err)
	require.Len(t, s.Events(""), n+1)
	s.Close()
	mode, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), mode.Mode().Perm(), "it holds tokens")

	for name, content := range map[string]string{
		"foreign":   "SQLite format 3\n",
		"no line":   "SQLite format 3",
		"long line": strings.Repeat("x", 2<<20),
		"no member": string(whole) + `{"us":1,"ops":[{"conversation":{"id":"C","type":2,"members":[null]}}]}` + "\n",
		"nobody":    string(whole) + `{"us":1,"ops":[{"person":{"key":"x"}}]}` + "\n",
		"far":       string(whole) + `{"us":18446744073709551615,"ops":[]}` + "\n",
		"newer":     `{"format":"hangoutstest-journal","version":2}` + "\n",
		"broken":    string(whole) + "{]\n",
		"dangling":  string(whole) + `{"us":1,"ops":[{"event":{"pb":"CgYKBG5vbmU="}}]}` + "\n",
		"bad event": string(whole) + `{"us":1,"ops":[{"event":{"pb":"%"}}]}` + "\n",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, err := hangoutstest.Start(hangoutstest.Options{StateFile: file})
		require.ErrorIs(t, err, hangoutstest.ErrState, name)
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, content, string(kept), "a file that is not used stays as it is")
	}
	_, err = hangoutstest.Start(hangoutstest.Options{StateFile: t.TempDir()})
	require.ErrorIs(t, err, hangoutstest.ErrState)
}

// process is the command line server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	line struct {
		BaseURL    string                     `json:"base_url"`
		ControlURL string                     `json:"control_url"`
		ProxyURL   string                     `json:"proxy_url"`
		Accounts   []hangoutstest.AccountInfo `json:"accounts"`
	}
	rest chan string
}

func run(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), rest: make(chan string, 1)}
	p.cmd.Env = append(os.Environ(), serverEnv+"=1")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	r := bufio.NewReader(out)
	line, err := r.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &p.line))
	go func() {
		b, _ := io.ReadAll(r)
		p.rest <- string(b)
	}()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.kill(t)
		}
	})
	return p
}

// kill ends the process with signal 9.
func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	require.Empty(t, <-p.rest, "one line and nothing else on standard output")
	_ = p.cmd.Wait()
}

// TestKill kills the server in the middle of many senders, several times: whatever was
// answered is there afterwards, once, and in each sender's order.
func TestKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	p := run(t, "--state", file, "--listen", "127.0.0.1:0", "--accounts", "4")
	listen := strings.TrimPrefix(p.line.BaseURL, "http://")
	accounts := p.line.Accounts
	require.Len(t, accounts, 4)
	var group struct {
		ConversationID string `json:"conversation_id"`
	}
	control(t, p.line.ControlURL, "create", `{"as":"user1","group":true,"name":"all","people":["user2","user3","user4"]}`, &group)
	answered := make([][]string, len(accounts))
	for round := range 3 {
		done := make(chan int, len(accounts))
		for i, a := range accounts {
			go func() {
				transport := &http.Transport{}
				defer transport.CloseIdleConnections()
				c := &raw{t: t, base: p.line.BaseURL, cookies: a.Cookies, http: &http.Client{Transport: transport}}
				defer func() { done <- i }()
				for n := 0; ; n++ {
					text := fmt.Sprintf("%d-%d-%d", round, i, n)
					resp, body, err := sendRaw(c, group.ConversationID, text)
					if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(body, `["cscmrp",[1,`) {
						return
					}
					answered[i] = append(answered[i], text)
				}
			}()
		}
		control(t, p.line.ControlURL, "wait-events", fmt.Sprintf(`{"conversation":%q,"count":%d}`, group.ConversationID, 150*(round+1)), nil)
		p.kill(t)
		for range accounts {
			<-done
		}
		p = run(t, "--state", file, "--listen", listen)
		require.Equal(t, "http://"+listen, p.line.BaseURL)
		require.Equal(t, accounts, p.line.Accounts)
		var stored struct {
			List []hangoutstest.EventInfo `json:"list"`
		}
		control(t, p.line.ControlURL, "events", fmt.Sprintf(`{"conversation":%q}`, group.ConversationID), &stored)
		seen := map[string]int{}
		bySender := make([][]string, len(accounts))
		last := uint64(0)
		for _, e := range stored.List {
			require.Greater(t, e.TimestampUS, last)
			last = e.TimestampUS
			seen[e.Text]++
			for i, a := range accounts {
				if a.GaiaID == e.Sender {
					bySender[i] = append(bySender[i], e.Text)
				}
			}
		}
		for i := range accounts {
			k := 0
			for _, text := range answered[i] {
				require.Equal(t, 1, seen[text], text)
				for k < len(bySender[i]) && bySender[i][k] != text {
					k++
				}
				require.Less(t, k, len(bySender[i]), "%s out of order", text)
			}
		}
	}
}

// control calls a verb and decodes its answer.
func control(t *testing.T, base, verb, body string, out any) {
	t.Helper()
	status, answer := controlStatus(t, base, verb, body)
	require.Equal(t, 200, status, "%s: %s", verb, answer)
	if out != nil {
		require.NoError(t, json.Unmarshal([]byte(answer), out), answer)
	}
}

func controlStatus(t *testing.T, base, verb, body string) (int, string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post(base+"/"+verb, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}
