package bench

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// BenchmarkIdleAccounts is the memory of the bridge's process for each connected account that does nothing.
func BenchmarkIdleAccounts(b *testing.B) {
	const accounts = 1000
	scenario := groups(1)
	for n := range accounts {
		name := fmt.Sprintf("user%04d", n)
		scenario.People = append(scenario.People, hangoutstest.ScenarioPerson{Key: name, Name: name, Email: name + "@example.com", Account: true, Contacts: []string{"alice"}})
		scenario.Conversations = append(scenario.Conversations, hangoutstest.ScenarioConversation{
			Type: "one_to_one", Members: []string{name, "bob"}, History: []hangoutstest.ScenarioEvent{{From: "bob", Text: "hello", Ago: "1h"}}})
	}
	s := newSetting(b, scenario, false)
	s.IRCPassword(s.who)
	s.Eventually(patience, "the first account to be connected", func() bool { return s.server.Person("alice").Subscribed() == 1 })
	s.Bridge.Terminate()
	s.Bridge.StartAgain()
	s.Bridge.WaitPort(s.IRCAddr)
	s.Eventually(patience, "the first account to be connected", func() bool { return s.server.Person("alice").Subscribed() == 1 })
	one := s.settledMemory()
	s.Bridge.Terminate()
	s.addAccounts(accounts)
	began := time.Now()
	s.Bridge.StartAgain()
	connected := func() (n int) {
		for _, a := range s.server.Accounts() {
			n += s.server.Person(a.GaiaID).Subscribed()
		}
		return n
	}
	s.Eventually(patience, "all accounts to be connected", func() bool { return connected() == accounts+1 })
	took := time.Since(began).Seconds()
	all := s.settledMemory()
	b.ReportMetric(one/1024, "MiB-with-1")
	b.ReportMetric(all/1024, "MiB-with-1001")
	b.ReportMetric((all-one)/accounts, "KiB/account")
	b.ReportMetric(all/one, "MiB-1001:1")
	b.ReportMetric(took, "s-to-connect-all")
	b.ReportMetric(0, "ns/op")
}

// settledMemory is the resident memory, five seconds after it stopped to be busy.
func (s *setting) settledMemory() float64 {
	time.Sleep(5 * time.Second)
	return resident(s.b, s.Bridge.PID())
}

// addAccounts logs everybody in whose key begins with "user", as copies of the one account there, while no bridge runs.
func (s *setting) addAccounts(n int) {
	s.b.Helper()
	db, err := sql.Open("sqlite3-fk-wal", "file:"+s.Database())
	s.check(err)
	defer db.Close()
	var self, credentials, status, reason string
	var generation, created int64
	s.check(db.QueryRow("SELECT self, credentials, generation, status, reason, created_us FROM account WHERE id=?", s.who.GaiaID).
		Scan(&self, &credentials, &generation, &status, &reason, &created))
	alice := s.server.Person("alice")
	tx, err := db.Begin()
	s.check(err)
	added := 0
	for _, a := range s.server.Accounts() {
		if !strings.HasPrefix(a.Key, "user") {
			continue
		}
		secret := strings.ReplaceAll(credentials, s.who.RefreshToken, a.RefreshToken)
		for name, value := range alice.Cookies() {
			secret = strings.ReplaceAll(secret, value, a.Cookies[name])
		}
		_, err = tx.Exec("INSERT INTO account (id, self, credentials, generation, status, reason, cursor_us, created_us) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
			a.GaiaID, strings.ReplaceAll(self, s.who.GaiaID, a.GaiaID), secret, generation, status, reason, created)
		s.check(err)
		_, err = tx.Exec("INSERT INTO account_grant (account, side, user_id, role) SELECT ?, side, ?, role FROM account_grant WHERE account=?", a.GaiaID, a.Key, s.who.GaiaID)
		s.check(err)
		added++
	}
	s.check(tx.Commit())
	if added != n {
		s.b.Fatalf("added %d accounts, not %d", added, n)
	}
}

func (s *setting) check(err error) {
	s.b.Helper()
	if err != nil {
		s.b.Fatal(err)
	}
}

// BenchmarkStart is from the start of the program to its IRC port, and until a message that was written meanwhile is at
// an IRC client, with few and with many conversations known.
func BenchmarkStart(b *testing.B) {
	port, message := map[int]float64{}, map[int]float64{}
	for _, conversations := range []int{10, 10_000} {
		s := newSetting(b, groups(conversations), false)
		password := s.IRCPassword(s.who)
		known := func() bool {
			list, err := s.Column("SELECT count(*) FROM conversation")
			return err == nil && list[0] == fmt.Sprint(conversations)
		}
		s.Eventually(patience, "all conversations to be known", known)
		a := s.join(1, password) // connects again by itself
		s.Bridge.Terminate()
		s.say(key(conversations-1), "meanwhile 1")
		began := time.Now()
		s.Bridge.StartAgain()
		s.Bridge.WaitPort(s.IRCAddr)
		port[conversations] = time.Since(began).Seconds()
		s.Eventually(patience, "the message", func() bool { return a.got("meanwhile") == 1 })
		message[conversations] = time.Since(began).Seconds()
		b.ReportMetric(resident(b, s.Bridge.PID())/1024, fmt.Sprintf("MiB-%d", conversations))
		s.Bridge.Terminate()
	}
	for n, seconds := range port {
		b.ReportMetric(seconds, fmt.Sprintf("s-to-port-%d", n))
		b.ReportMetric(message[n], fmt.Sprintf("s-to-message-%d", n))
	}
	b.ReportMetric(message[10_000]/message[10], "message-10000:10")
	b.ReportMetric(port[10_000]/port[10], "port-10000:10")
	b.ReportMetric(0, "ns/op")
}
