package irc_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// dialogue is what every stock client must manage: bob and the person talk in the group
// and in private. say types a line into the window of a target; shown waits until the
// client shows a text there.
func dialogue(b *bench, say func(target, text string), shown func(target, text string)) {
	t := b.t
	b.net.Say(bob, trio, "grüße from bob")
	shown("#Trio_co", "grüße from bob")
	b.net.Say(bob, duo, "private from bob")
	shown("Bob_Brown", "private from bob")
	say("#Trio_co", "hällo from the client")
	say("Bob_Brown", "private from the client")
	eventually(t, "both lines are on the network", func() bool { return len(b.net.Sends()) == 2 })
	require.Equal(t, "hällo from the client", b.net.Events(trio)[1].Message.Text.String())
	require.Equal(t, "private from the client", b.net.Events(duo)[1].Message.Text.String())
	b.net.Say(anna, duo, "own words of elsewhere")
	shown("Bob_Brown", "own words of elsewhere")
	b.net.Say(bob, trio, strings.Repeat("long ", 300)+"end of long")
	shown("#Trio_co", "end of long")
}

func TestIrssi(t *testing.T) {
	for name, server := range map[string]ircclient.Server{
		"PASS": {Nick: "anna", Password: "anna@irssi:"},
		"SASL": {Nick: "anna", User: "anna@irssi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			server.Addr = b.addr()
			server.Password += b.token
			i := ircclient.StartIrssi(t, server)
			i.WaitScreen("[+i]")
			i.Goto("#Trio_co")
			i.WaitScreen("synced") // MODE and WHO are answered
			dialogue(b, func(target, text string) { i.Goto(target); i.Enter(text) }, i.WaitLog)
			i.Goto("#Trio_co")
			i.Enter("/me dances")
			eventually(t, "the act is on the network", func() bool {
				e := b.net.Events(trio)
				return e[len(e)-1].Message.Emote
			})
			i.Enter("/whois Bob_Brown")
			i.Goto("Bob_Brown") // where irssi shows it
			i.WaitScreen("End of WHOIS")
			i.Goto("#Trio_co")
			b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindRename, Rename: &chat.Rename{New: "Renamed group"}})
			i.WaitLog("#Trio_co", "Renamed group")
			i.Enter("/part")
			eventually(t, "still a member", func() bool { return len(mustConversation(b, trio).Members) == 3 })
			i.WaitGone("Trio_co(")
			b.net.Say(bob, trio, "come back to us")
			i.WaitLog("#Trio_co", "come back to us")
			t.Logf("screen:\n%s", i.Screen())
		})
	}
}

func TestWeeChat(t *testing.T) {
	b := newBench(t)
	w := ircclient.StartWeeChat(t, ircclient.Server{Addr: b.addr(), Nick: "anna", Password: "anna@weechat:" + b.token})
	w.WaitScreen("3 nicks")
	dialogue(b, func(target, text string) { w.Buffer(target); w.Enter(text) }, w.WaitLog)
	t.Logf("screen:\n%s", w.Screen())
}

func TestEPIC(t *testing.T) {
	epic, err := exec.LookPath("epic5")
	if err != nil {
		t.Skip("epic5 is not installed")
	}
	b := newBench(t)
	host, port, _ := net.SplitHostPort(b.addr())
	term := ircclient.StartTerminal(t, "epic5", epic, "anna", fmt.Sprintf("%s:%s:%s", host, port, b.token))
	term.WaitScreen("Trio_co")
	dialogue(b, func(target, text string) { term.Enter("/msg " + target + " " + text) }, func(_, text string) { term.WaitScreen(text) })
	t.Logf("screen:\n%s", term.Screen())
}

func TestII(t *testing.T) {
	ii, err := exec.LookPath("ii")
	if err != nil {
		t.Skip("ii is not installed")
	}
	b := newBench(t)
	host, port, _ := net.SplitHostPort(b.addr())
	dir := t.TempDir()
	cmd := exec.Command(ii, "-s", host, "-p", port, "-n", "anna", "-k", "PASSWORD", "-i", dir)
	cmd.Env = append(os.Environ(), "PASSWORD=anna@ii:"+b.token)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	// Channels have folders with the FIFO "in" and the file "out"; ii makes a query's
	// folder at its first message.
	folder := func(target string) string { return filepath.Join(dir, host, strings.ToLower(target)) }
	shown := func(target, text string) {
		eventually(t, target+" shows "+text, func() bool {
			out, _ := os.ReadFile(filepath.Join(folder(target), "out"))
			return strings.Contains(string(out), text)
		})
	}
	shown("#Trio_co", "joined")
	dialogue(b, func(target, text string) {
		f, err := os.OpenFile(filepath.Join(folder(target), "in"), os.O_WRONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(text + "\n")
		require.NoError(t, err)
	}, shown)
}

func TestSic(t *testing.T) {
	sic, err := exec.LookPath("sic")
	if err != nil {
		t.Skip("sic is not installed")
	}
	b := newBench(t)
	host, port, _ := net.SplitHostPort(b.addr())
	cmd := exec.Command(sic, "-h", host, "-p", port, "-n", "anna", "-k", "anna@sic:"+b.token)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out := &buffer{}
	cmd.Stdout = out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(out.String())
		}
	})
	shown := func(_, text string) {
		eventually(t, "sic shows "+text, func() bool { return strings.Contains(out.String(), text) })
	}
	shown("", "Trio_co")
	dialogue(b, func(target, text string) {
		_, err := fmt.Fprintf(in, ":m %s %s\n", target, text)
		require.NoError(t, err)
		time.Sleep(50 * time.Millisecond) // sic reads one line for each time that its input becomes ready
	}, shown)
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
