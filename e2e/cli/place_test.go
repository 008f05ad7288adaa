package cli_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "go.mau.fi/util/dbutil/litestream" // the driver "sqlite3-fk-wal"
	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

const (
	patience = 2 * time.Minute
	domain   = "test.localhost"
)

// place is a folder with a config file, where the program runs.
type place struct {
	t       *testing.T
	dir     string
	program string
	irc     string // address of the IRC server
	config  map[string]any
}

// newPlace makes a place for a bridge without Matrix; the config is what a person would write, without the defaults.
func newPlace(t *testing.T, service *hangoutstest.Server) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), program: proc.Bridge(t), irc: freeAddr(t), config: map[string]any{}}
	p.set("homeserver.address", "")
	p.set("database.type", "sqlite3-fk-wal")
	p.set("database.uri", "file:bridge.db?_txlock=immediate")
	p.set("network.irc.listen", []string{p.irc})
	p.set("logging.min_level", "info")
	p.set("logging.writers", []any{map[string]any{"type": "stdout", "format": "pretty"}})
	if service != nil {
		p.set("network.hangouts.base_url", service.URL)
	}
	return p
}

func freeAddr(t *testing.T) string { return fmt.Sprintf("127.0.0.1:%d", proc.FreePort(t)) }

// newService runs a Hangouts-compatible server until the test ends.
func newService(t *testing.T, scenario *hangoutstest.Scenario) *hangoutstest.Server {
	t.Helper()
	service, err := hangoutstest.Start(hangoutstest.Options{Scenario: scenario})
	require.NoError(t, err)
	t.Cleanup(service.Close)
	return service
}

// set changes the config and writes it.
func (p *place) set(path string, value any) {
	p.t.Helper()
	at := p.config
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		if _, ok := at[key].(map[string]any); !ok {
			at[key] = map[string]any{}
		}
		at = at[key].(map[string]any)
	}
	at[keys[len(keys)-1]] = value
	text, err := yaml.Marshal(p.config)
	require.NoError(p.t, err)
	p.write("config.yaml", string(text))
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// write writes a file and returns its path.
func (p *place) write(name, text string) string {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(p.path(name), []byte(text), 0o600))
	return p.path(name)
}

func (p *place) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(p.path(name))
	require.NoError(p.t, err)
	return string(text)
}

// files are all files of the place with their contents.
func (p *place) files() map[string]string {
	p.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	require.NoError(p.t, err)
	return found
}

// result is what became of a call.
type result struct {
	t              *testing.T
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit status %d\nstandard output:\n%s\nstandard error:\n%s", r.code, r.stdout, r.stderr)
}

// run calls the program and waits for its end.
func (p *place) run(args ...string) result {
	p.t.Helper()
	return p.runInput("", args...)
}

func (p *place) runInput(input string, args ...string) result {
	p.t.Helper()
	cmd := exec.Command(p.program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.dir, strings.NewReader(input), &stdout, &stderr
	require.NoError(p.t, cmd.Start())
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	r := result{p.t, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if !timer.Stop() {
		p.t.Fatalf("%q did not end: %v", args, r)
	}
	return r
}

// ok demands success.
func (r result) ok() result {
	r.t.Helper()
	require.Zero(r.t, r.code, r)
	return r
}

// refused demands a failure that one line explains, with these words in it. Other lines may only be log lines below
// "fatal": what the program did before.
func (r result) refused(words ...string) result {
	r.t.Helper()
	require.NotContains(r.t, []int{0, -1}, r.code, r)
	require.NotContains(r.t, r.stdout+r.stderr, "goroutine ", "%v", r)
	var complaints []string
	for line := range strings.Lines(r.stdout + "\n" + r.stderr) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "hangouts-") || strings.Contains(line, " FTL ") {
			complaints = append(complaints, line)
		} else if line != "" {
			require.Regexp(r.t, `^\d{4}-\d\d-\d\dT\S+ (TRC|DBG|INF|WRN|ERR) `, line, "neither the complaint nor a log line: %v", r)
		}
	}
	require.Len(r.t, complaints, 1, r)
	for _, word := range words {
		require.Contains(r.t, complaints[0], word, r)
	}
	return r
}

// usage demands that a call was not understood and that the usage was shown.
func (r result) usage(words ...string) {
	r.t.Helper()
	require.NotZero(r.t, r.code, r)
	require.Empty(r.t, r.stdout, r)
	for _, word := range append(words, "hangouts-bridge") {
		require.Contains(r.t, r.stderr, word, r)
	}
}

// start runs the bridge until the test ends.
func (p *place) start() *proc.Process {
	p.t.Helper()
	bridge := proc.Start(p.t, proc.Options{Name: "bridge", Path: p.program, Args: []string{"run", "-c", "config.yaml"}, Dir: p.dir})
	bridge.WaitPort(p.irc)
	return bridge
}

// enroll logs an account in for an IRC user and returns a password.
func (p *place) enroll(person *hangoutstest.Person, user string) string {
	p.t.Helper()
	token := p.write("token-"+user, person.RefreshToken()+"\n")
	p.run("login", "-refresh-token", token, "-irc-user", user).ok()
	return p.password(user)
}

func (p *place) password(user string) string {
	p.t.Helper()
	password := strings.TrimSpace(p.run("irc-password", user).ok().stdout)
	require.NotEmpty(p.t, password)
	require.NotContains(p.t, password, "\n")
	return password
}

// chat connects an IRC client, as soon as the running bridge knows the user, and waits until it is in a channel.
func (p *place) chat(user, password string) *ircclient.Client {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.Dial("tcp", p.irc)
		require.NoError(p.t, err)
		client := ircclient.Over(p.t, conn)
		client.Send("PASS :%s", password)
		client.Send("CAP REQ :message-tags server-time")
		client.Send("NICK %s", user)
		client.Send("USER %s 0 * :%s", user, user)
		client.Send("CAP END")
		answer := client.AwaitFunc("the welcome", func(l ircclient.Line) bool { return l.Command == "001" || l.Command == "ERROR" })
		if answer.Command == "001" {
			client.Await("422")
			eventually(p.t, "the conversations", func() bool { // without taking lines
				return slices.ContainsFunc(client.Lines(), func(l ircclient.Line) bool { return l.Is("366") })
			})
			return client
		}
		client.Close()
		require.Contains(p.t, answer.Raw, "no account is linked", "refused for another reason")
		if time.Now().After(deadline) {
			p.t.Fatalf("the bridge does not take up the account of %s", user)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// waitSubscribed waits until somebody's account is connected: what others write is pushed from now on.
func waitSubscribed(t *testing.T, person *hangoutstest.Person) {
	t.Helper()
	eventually(t, "the account to be connected", func() bool { return person.Subscribed() == 1 })
}

// texts are the messages of a conversation on the service from event number "from" on.
func texts(service *hangoutstest.Server, conversation string, from int) []string {
	out := []string{}
	for _, e := range service.Events(conversation)[from:] {
		out = append(out, e.Text)
	}
	return out
}

// waitTexts waits until a conversation has exactly these messages from event number "from" on.
func waitTexts(t *testing.T, service *hangoutstest.Server, conversation string, from int, want ...string) {
	t.Helper()
	wait.Holds(patience, func() bool { return len(texts(service, conversation, from)) >= len(want) })
	require.Equal(t, want, texts(service, conversation, from))
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	wait.Until(t, what, cond)
}

// sql changes the database while no bridge runs.
func (p *place) sql(statement string) {
	p.t.Helper()
	db, err := sql.Open("sqlite3-fk-wal", "file:"+p.path("bridge.db"))
	require.NoError(p.t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(p.t, err)
}

// lockDatabase keeps everybody from writing until unlock.
func (p *place) lockDatabase() (unlock func()) {
	p.t.Helper()
	db, err := sql.Open("sqlite3-fk-wal", "file:"+p.path("bridge.db")+"?_txlock=immediate")
	require.NoError(p.t, err)
	tx, err := db.Begin()
	require.NoError(p.t, err)
	return func() {
		require.NoError(p.t, tx.Rollback())
		require.NoError(p.t, db.Close())
	}
}

// count asks the database for a number.
func (p *place) count(query string) (n int) {
	p.t.Helper()
	db, err := sql.Open("sqlite3-fk-wal", "file:"+p.path("bridge.db"))
	require.NoError(p.t, err)
	defer db.Close()
	require.NoError(p.t, db.QueryRow(query).Scan(&n))
	return n
}

// matrix adds a homeserver at an address to the config and makes the registration. It returns where the bridge listens.
func (p *place) matrix(homeserver string) (listen string) {
	p.t.Helper()
	port := proc.FreePort(p.t)
	listen = fmt.Sprintf("127.0.0.1:%d", port)
	p.set("homeserver.address", homeserver)
	p.set("homeserver.domain", domain)
	p.set("appservice.address", "http://"+listen)
	p.set("appservice.hostname", "127.0.0.1")
	p.set("appservice.port", port)
	p.set("bridge.permissions", map[string]any{domain: "admin"})
	p.run("-g").ok()
	p.config = map[string]any{} // as it is in the file now
	require.NoError(p.t, yaml.Unmarshal([]byte(p.read("config.yaml")), &p.config))
	return listen
}

// homeserver runs a homeserver that knows the bridge of this place, at an address ("host:port").
func (p *place) homeserver(listen string) *nullhs.Process {
	p.t.Helper()
	return nullhs.StartProcess(p.t, nullhs.Options{ServerName: domain, Listen: listen, RegistrationFiles: []string{p.path("registration.yaml")}})
}

// listener occupies an address until the test ends.
func listener(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// byBot fits the requests of the bridge's bot that were answered well.
func byBot(r nullhs.Request) bool {
	return string(r.User) == "@hangoutsbot:"+domain && r.Status == 200
}

// world is a service with an account that an IRC user may use.
type world struct {
	service    *hangoutstest.Server
	ada, carol *hangoutstest.Person
	password   string
	client     *ircclient.Client
}

// newWorld makes a place with an account; start runs the bridge there.
func newWorld(t *testing.T) (*place, *world) {
	t.Helper()
	service := newService(t, nil)
	w := &world{service: service, ada: service.Account(0), carol: service.Person("carol")}
	p := newPlace(t, service)
	w.password = p.enroll(w.ada, "ada")
	return p, w
}

// start runs the bridge and connects the IRC client.
func (w *world) start(p *place) *proc.Process {
	p.t.Helper()
	bridge := p.start()
	w.connect(p)
	return bridge
}

func (w *world) connect(p *place) {
	p.t.Helper()
	w.client = p.chat("ada", w.password)
	waitSubscribed(p.t, w.ada)
}
