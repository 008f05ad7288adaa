package ircclient

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

// Server says where a real client connects and how it logs in.
type Server struct {
	Addr     string // host:port, without TLS
	Nick     string
	Password string // with PASS, unless User is set
	User     string // account name for SASL PLAIN with Password
}

// Irssi is a running irssi.
type Irssi struct {
	*Terminal
	home string
}

const irssiConfig = `
servers = ( { address = "%s"; port = "%s"; chatnet = "gateway"; autoconnect = "yes"; use_tls = "no"; password = "%s"; } );
chatnets = { gateway = { type = "IRC"; nick = "%s"; %s }; };
settings = {
  core = { real_name = "Test"; user_name = "test"; nick = "%s"; server_reconnect_time = "2sec"; };
  "fe-common/core" = { autolog = "yes"; autolog_path = "%s/$0.log"; autolog_level = "ALL -CRAP -CLIENTCRAP -CTCPS"; autocreate_own_query = "yes"; };
  "fe-text" = { term_force_colors = "yes"; };
};
`

// StartIrssi starts irssi, which connects by itself. Without the program the test is skipped, or fails in continuous
// integration.
func StartIrssi(t testing.TB, server Server) *Irssi {
	t.Helper()
	need.Part(t, "irssi")
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatalf("address of IRC server: %v", err)
	}
	home := t.TempDir()
	logs := filepath.Join(home, "logs")
	pass, sasl := server.Password, ""
	if server.User != "" {
		sasl = fmt.Sprintf(`sasl_mechanism = "plain"; sasl_username = "%s"; sasl_password = "%s";`, server.User, server.Password)
		pass = ""
	}
	config := fmt.Sprintf(irssiConfig, host, port, pass, server.Nick, sasl, server.Nick, logs)
	if err = os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600); err != nil {
		t.Fatalf("write irssi's config: %v", err)
	}
	return &Irssi{StartTerminal(t, "irssi", "irssi", "--home="+home), home}
}

// Window shows the window with this number; 1 is the status window.
func (i *Irssi) Window(number int) {
	i.t.Helper()
	i.Enter(fmt.Sprintf("/window %d", number))
}

// Goto shows the window of a channel or of a query. irssi makes that window when the JOIN or the message arrives, and does
// not keep a command for a window that is not there yet, so the command is given again until it worked.
func (i *Irssi) Goto(target string) {
	i.t.Helper()
	var given time.Time
	i.waitFor("show the window of "+target, func() bool {
		if strings.Contains(i.statusBar(), target) { // names the window that is shown
			return true
		}
		if time.Since(given) > time.Second {
			i.Enter("/window goto " + target)
			given = time.Now()
		}
		return false
	})
}

// statusBar is the last line with brackets, above the prompt.
func (i *Irssi) statusBar() string {
	lines := strings.Split(strings.TrimRight(i.Screen(), "\n"), "\n")
	for n := len(lines) - 1; n >= 0; n-- {
		if strings.HasPrefix(strings.TrimSpace(lines[n]), "[") && strings.Count(lines[n], "[") > 1 {
			return lines[n]
		}
	}
	return ""
}

// WaitLog waits until irssi's log of a channel or a query contains text.
func (i *Irssi) WaitLog(target, text string) {
	i.t.Helper()
	i.waitFile(i.logPath(target), text)
}

// Log returns irssi's log of a channel or a query, "" when there is none.
func (i *Irssi) Log(target string) string {
	data, _ := os.ReadFile(i.logPath(target))
	return string(data)
}

func (i *Irssi) logPath(target string) string {
	return filepath.Join(i.home, "logs", strings.ToLower(target)+".log")
}
