// Package bench measures the whole program as its users meet it: a bridge in a process of its own between a
// Hangouts-compatible server, a homeserver that answers at once, and IRC clients. Every benchmark is one bounded run,
// whatever -benchtime says; where there is something to compare with, the ratio is measured in the same run.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	proc.Child(map[string]func() int{bareRole: bareMain})
	os.Exit(m.Run())
}

// setting is a bridge with its peers, the peers in this process.
type setting struct {
	*stage.Stage
	b      *testing.B
	server *hangoutstest.Server
	hs     *nullhs.Server // nil without Matrix
	who    stage.Account
}

// groups is a world of the usual people with so many groups, "g0000" and so on.
func groups(n int) *hangoutstest.Scenario {
	s := stage.Scenario()
	s.Conversations = nil
	for i := range n {
		s.Conversations = append(s.Conversations, hangoutstest.ScenarioConversation{
			Key: key(i), Type: "group", Name: "Group " + strconv.Itoa(i), Members: []string{"alice", "bob", "carol"},
			History: []hangoutstest.ScenarioEvent{{From: "bob", Text: "welcome", Ago: "1h"}},
		})
	}
	return s
}

func key(i int) string { return fmt.Sprintf("g%04d", i) }

// newSetting starts everything; with Matrix Alice has logged in there, else only for IRC.
func newSetting(b *testing.B, scenario *hangoutstest.Scenario, matrix bool, changes ...func(*setting)) *setting {
	b.Helper()
	server, err := hangoutstest.Start(hangoutstest.Options{Scenario: scenario})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Close)
	s := &setting{b: b, server: server}
	s.Stage = stage.New(b, b.TempDir(), server.URL)
	alice := server.Person("alice")
	s.who = stage.Account{RefreshToken: alice.RefreshToken(), GaiaID: alice.GaiaID()}
	s.Set("logging.min_level", "info")
	s.Set("network.initial_chat_sync", 100)
	for _, limit := range []string{"connections", "per_address", "per_account"} {
		s.Set("network.irc.limits."+limit, 2000)
	}
	for _, change := range changes {
		change(s)
	}
	if !matrix {
		s.Write()
		s.Run()
		return s
	}
	addr := stage.FreeAddr(b)
	registrations := s.Registrations("http://"+addr, "http://"+s.ASAddr)
	s.hs = s.NullHomeserver(addr, registrations)
	s.Run()
	s.Login(s.hs, s.who)
	return s
}

// sends are the requests so far that send a message in Carol's name.
func (s *setting) sends() (out []nullhs.Request) {
	ghost := "@hangouts_" + s.server.Person("carol").GaiaID() + ":" + stage.Domain
	out = s.hs.Requests(func(r nullhs.Request) bool { return r.Route == nullhs.SendRoute && string(r.User) == ghost })
	slices.SortFunc(out, func(a, b nullhs.Request) int { return a.Began.Compare(b.Began) })
	return out
}

// say has Carol write.
func (s *setting) say(conversation, text string) {
	if _, err := s.server.Person("carol").Send(conversation, text); err != nil {
		s.b.Error(err)
	}
}

// quantiles returns p50 and p99 in milliseconds.
func quantiles(all []time.Duration) (p50, p99 float64) {
	slices.Sort(all)
	at := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))]) / float64(time.Millisecond) }
	return at(0.5), at(0.99)
}

// paced sends n messages at 10 a second over the conversations and returns when each was sent.
func (s *setting) paced(n, conversations int, prefix string) map[string]time.Time {
	sent := map[string]time.Time{}
	next := time.NewTicker(100 * time.Millisecond)
	defer next.Stop()
	for i := range n {
		<-next.C
		text := fmt.Sprintf("%s %05d", prefix, i)
		sent[text] = time.Now()
		s.say(key(i%conversations), text)
	}
	return sent
}

// flood sends n messages to each conversation as fast as the server takes them.
func (s *setting) flood(n, conversations int, prefix string) {
	for i := range n {
		for c := range conversations {
			s.say(key(c), fmt.Sprintf("%s %05d", prefix, i))
		}
	}
}

// BenchmarkMatrix is from a message pushed by Hangouts to the request at the homeserver.
func BenchmarkMatrix(b *testing.B) {
	const conversations = 50
	s := newSetting(b, groups(conversations), true)
	s.flood(1, conversations, "warm") // rooms and ghosts exist from here on
	s.Eventually(patience, "all rooms", func() bool { return len(s.sends()) == conversations })
	s.Bridge.Terminate() // bridgev2 is faster with a login that it has loaded, here as beside it
	s.Bridge.StartAgain()
	s.flood(1, conversations, "again") // rooms have been read back from here on
	s.Eventually(patience, "the rooms again", func() bool { return len(s.sends()) == 2*conversations })
	b.Run("latency", func(b *testing.B) {
		before := len(s.sends())
		sent := s.paced(100, conversations, "paced")
		s.Eventually(patience, "all messages", func() bool { return len(s.sends()) >= before+100 })
		var times []time.Duration
		for i, r := range s.sends()[before:] {
			times = append(times, r.Began.Sub(sent[fmt.Sprintf("paced %05d", i)]))
		}
		p50, p99 := quantiles(times)
		b.ReportMetric(p50, "p50-ms")
		b.ReportMetric(p99, "p99-ms")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("throughput", func(b *testing.B) {
		direct := s.direct(500)
		busy := s.cpu()
		one := s.throughput(b, 2000, 1)
		many := s.throughput(b, 60, conversations)
		b.ReportMetric(one, "1-room-msg/s")
		b.ReportMetric(many, "50-rooms-msg/s")
		b.ReportMetric(many/one, "50:1")
		b.ReportMetric(direct, "direct-msg/s")
		b.ReportMetric(many/direct, "50:direct")
		ours := s.since(busy) / (2000 + 60*conversations)
		b.ReportMetric(ours, "cpu-ms/msg")
		s.Bridge.Terminate()
		bareOne, _ := s.bare(2000, 1)
		bareMany, bareCPU := s.bare(60, conversations)
		b.ReportMetric(bareOne, "bare-1-room-msg/s")
		b.ReportMetric(bareMany, "bare-50-rooms-msg/s")
		b.ReportMetric(bareCPU, "bare-cpu-ms/msg")
		b.ReportMetric(one/bareOne, "1-room:bare")
		b.ReportMetric(many/bareMany, "50-rooms:bare")
		b.ReportMetric(ours/bareCPU, "cpu:bare")
		b.ReportMetric(0, "ns/op")
	})
}

// bare returns messages a second and processor time a message of a bare bridgev2 connector at the same homeserver.
func (s *setting) bare(messages, rooms int) (rate, cpu float64) {
	dir := s.b.TempDir()
	text, err := os.ReadFile(s.Config())
	s.check(err)
	edited, err := config.Change(string(text), map[string]any{
		"database.uri":            "file:" + filepath.Join(dir, "bare.db") + "?_txlock=immediate&_stmt_cache_size=200",
		"database.max_open_conns": 1, "bridge.portal_event_buffer": 0, "logging.min_level": "error",
		"bridge.permissions": map[string]string{stage.Domain: "admin"},
		"encryption.allow":   false,
	})
	s.check(err)
	path := filepath.Join(dir, "config.yaml")
	s.check(os.WriteFile(path, []byte(edited), 0o600))
	task, err := json.Marshal(bareTask{Config: path, User: s.Alice.UserID(), Rooms: rooms, Messages: messages})
	s.check(err)
	run := func() string {
		p := proc.StartSelf(s.b, bareRole, proc.Options{Env: []string{bareVariable + "=" + string(task)}, Dir: dir, Quiet: true})
		if code := p.WaitExit(patience); code != 0 {
			s.b.Fatalf("the bare bridge ended with %d:\n%s", code, p.Log())
		}
		return p.Log()
	}
	run()
	var result bareResult
	lines := strings.Split(strings.TrimSpace(run()), "\n")
	s.check(json.Unmarshal([]byte(lines[len(lines)-1]), &result))
	total := float64(messages * rooms)
	return total / result.Seconds, result.CPUMillis / total
}

// direct returns how many messages a second Alice's client alone, one after the other, gets into a room that the bridge
// does not know: what homeserver, HTTP and machine leave to the bridge.
func (s *setting) direct(n int) float64 {
	room := s.Alice.CreateRoom(&mautrix.ReqCreateRoom{})
	began := time.Now()
	for i := range n {
		s.Alice.SendText(room, fmt.Sprintf("direct %05d", i))
	}
	return float64(n) / time.Since(began).Seconds()
}

// throughput floods the conversations and returns messages a second until the last request, after checking the order.
func (s *setting) throughput(b *testing.B, n, conversations int) float64 {
	b.Helper()
	prefix := fmt.Sprintf("flood%d", time.Now().UnixNano())
	before := len(s.sends())
	began := time.Now()
	s.flood(n, conversations, prefix)
	total := n * conversations
	s.Eventually(patience, "all messages", func() bool { return len(s.sends()) >= before+total })
	last := s.sends()[before+total-1]
	checked := 0
	for _, room := range s.hs.Rooms() {
		var texts []string
		for _, e := range s.hs.Messages(room) {
			if body := e.Content.AsMessage().Body; strings.HasPrefix(body, prefix) {
				texts = append(texts, body)
			}
		}
		if !slices.IsSorted(texts) || len(texts) != 0 && len(texts) != n {
			b.Errorf("room %s: %d of %d messages, in order: %v", room, len(texts), n, slices.IsSorted(texts))
		}
		checked += len(texts)
	}
	if checked != total {
		b.Errorf("%d of %d messages are in the rooms", checked, total)
	}
	return float64(total) / last.Began.Add(last.Took).Sub(began).Seconds()
}

// audience are IRC sessions that note when which message came.
type audience struct {
	mu      sync.Mutex
	arrived map[string][]time.Time
	count   map[string]int // by the first word of the text
	order   []map[string]string
	wrong   int
}

func (a *audience) listen(n int) func(ircclient.Line) {
	a.order = append(a.order, map[string]string{})
	return func(l ircclient.Line) {
		if l.Command != "PRIVMSG" {
			return
		}
		now := time.Now()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.arrived[l.Last()] = append(a.arrived[l.Last()], now)
		first, _, _ := strings.Cut(l.Last(), " ")
		a.count[first]++
		subject := l.Param(0) + " " + first
		if l.Last() < a.order[n][subject] {
			a.wrong++
		}
		a.order[n][subject] = l.Last()
	}
}

func (a *audience) got(first string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count[first]
}

// join connects so many sessions, the clients of one user, and waits until they hear the first conversation.
func (s *setting) join(sessions int, password string) *audience {
	a := &audience{arrived: map[string][]time.Time{}, count: map[string]int{}}
	var clients []*stage.IRC
	for n := range sessions {
		c := stage.StartIRC(s.IRCAddr, "alice", password, a.listen(n))
		s.b.Cleanup(c.Close)
		clients = append(clients, c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, c := range clients {
		if err := c.WaitFor(ctx, c.Connected); err != nil {
			s.b.Fatalf("an IRC session is not welcomed: %v", err)
		}
	}
	// A message from before an account's first synchronisation is history, not news.
	s.Eventually(patience, "all sessions to hear", func() bool {
		probe := fmt.Sprintf("probe%d", time.Now().UnixNano())
		s.say(key(0), probe+" 0")
		for wait := time.Now().Add(5 * time.Second); time.Now().Before(wait); time.Sleep(20 * time.Millisecond) {
			if a.got(probe) == sessions {
				return true
			}
		}
		return false
	})
	return a
}

// BenchmarkIRC is from a message pushed by Hangouts to the line at every IRC session of an account.
func BenchmarkIRC(b *testing.B) {
	const conversations = 50
	s := newSetting(b, groups(conversations), false)
	password := s.IRCPassword(s.who)
	lines, cpu := map[int]float64{}, map[int]float64{}
	for _, sessions := range []int{1, 200} {
		b.Run(fmt.Sprintf("%d-sessions", sessions), func(b *testing.B) {
			s.b = b
			a := s.join(sessions, password)
			sent := s.paced(100, conversations, "paced")
			s.Eventually(patience, "all lines", func() bool { return a.got("paced") >= 100*sessions })
			var times []time.Duration
			a.mu.Lock()
			for text, began := range sent {
				for _, t := range a.arrived[text] {
					times = append(times, t.Sub(began))
				}
			}
			a.mu.Unlock()
			p50, p99 := quantiles(times)
			began, busy := time.Now(), s.cpu()
			n := 60
			if sessions > 1 {
				n = 4
			}
			s.flood(n, conversations, "flood")
			s.Eventually(patience, "all lines of the flood", func() bool { return a.got("flood") >= n*conversations*sessions })
			took := time.Since(began).Seconds()
			if a.wrong > 0 || a.got("flood") != n*conversations*sessions {
				b.Errorf("%d lines out of order, %d lines of %d", a.wrong, a.got("flood"), n*conversations*sessions)
			}
			lines[sessions] = float64(n*conversations*sessions) / took
			b.ReportMetric(p50, "p50-ms")
			b.ReportMetric(p99, "p99-ms")
			b.ReportMetric(float64(n*conversations)/took, "msg/s")
			b.ReportMetric(lines[sessions], "lines/s")
			cpu[sessions] = s.since(busy) / float64(n*conversations*sessions)
			b.ReportMetric(cpu[sessions], "cpu-ms/line")
			if sessions > 1 && lines[1] > 0 {
				b.ReportMetric(lines[sessions]/lines[1], "lines-200:1")
				b.ReportMetric(cpu[sessions]/cpu[1], "cpu-200:1")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpu is the processor time that the bridge has used, in milliseconds; 0 where the system does not tell. Unlike rates it
// hardly depends on what else the machine does.
func (s *setting) cpu() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Bridge.PID()))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	ticks := 0.0
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.ParseFloat(field, 64)
		s.check(err)
		ticks += n
	}
	return ticks * 10 // Linux counts 100 a second
}

// since is the processor time used since cpu was asked.
func (s *setting) since(before float64) float64 { return s.cpu() - before }

// resident is the resident memory of a process in KiB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skipf("no /proc: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				b.Fatal(err)
			}
			return float64(n)
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
