package ircclient

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

// WeeChat is a running WeeChat, with all capabilities that it knows and typing shown and sent.
type WeeChat struct {
	*Terminal
	home string
}

// StartWeeChat starts WeeChat, which connects by itself. Without the program the test is skipped, or fails in continuous
// integration.
func StartWeeChat(t testing.TB, server Server) *WeeChat {
	t.Helper()
	need.Part(t, "weechat")
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatalf("address of IRC server: %v", err)
	}
	home := t.TempDir()
	args := []string{"weechat", "--dir", home}
	run := func(format string, values ...any) { args = append(args, "-r", fmt.Sprintf(format, values...)) }
	run("/set weechat.look.paste_max_lines -1") // quick typing is no paste
	run("/set typing.look.enabled_nicks on")
	run("/set typing.look.enabled_self on")
	run("/set irc.look.typing_status_nicks on")
	run("/set irc.look.typing_status_self on")
	run(`/set weechat.bar.status.items "buffer_name,typing"`)
	run("/bar hide buflist") // so that lines on the screen are lines of the chat
	run("/bar hide nicklist")
	run("/set logger.file.flush_delay 0")
	run("/server add gw %s/%s -notls -nicks=%s", host, port, server.Nick)
	switch {
	case server.User != "":
		run("/set irc.server.gw.sasl_mechanism plain")
		run("/set irc.server.gw.sasl_username %s", server.User)
		run("/set irc.server.gw.sasl_password %s", server.Password)
	case server.Password != "":
		run("/set irc.server.gw.password %s", server.Password)
	}
	run(`/set irc.server.gw.capabilities "*"`)
	run("/set irc.server.gw.autoreconnect_delay 2")
	run("/connect gw")
	return &WeeChat{StartTerminal(t, "weechat", args...), home}
}

// Buffer shows the buffer of a channel or of a query and waits until it is shown.
func (w *WeeChat) Buffer(target string) {
	w.t.Helper()
	w.Enter("/buffer irc.gw." + target)
	w.waitFor("show the buffer of "+target, func() bool { return strings.Contains(w.StatusBar(), target) })
}

// StatusBar is the line above the input: the buffer's name and who types ("Typing: alice").
func (w *WeeChat) StatusBar() string {
	lines := strings.Split(strings.TrimRight(w.Screen(), "\n"), "\n")
	for n := len(lines) - 1; n >= 0; n-- {
		if text := strings.TrimSpace(lines[n]); text != "" && !strings.HasPrefix(text, "[") {
			return text
		}
	}
	return ""
}

// WaitLog waits until WeeChat's log of a channel or a query contains text.
func (w *WeeChat) WaitLog(target, text string) {
	w.t.Helper()
	w.waitFile(w.logPath(target), text)
}

// Log returns WeeChat's log of a channel or a query, "" when there is none.
func (w *WeeChat) Log(target string) string {
	data, _ := os.ReadFile(w.logPath(target))
	return string(data)
}

func (w *WeeChat) logPath(target string) string {
	return filepath.Join(w.home, "logs", "irc.gw."+strings.ToLower(target)+".weechatlog")
}
