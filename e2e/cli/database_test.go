package cli_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// both runs a test with and without Matrix.
func both(t *testing.T, test func(t *testing.T, p *place)) {
	for name, homeserver := range map[string]string{"without Matrix": "", "with Matrix": down} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil)
			if homeserver != "" {
				p.matrix(homeserver)
			}
			test(t, p)
		})
	}
}

func TestUnusableDatabase(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, p *place) {
		require.NoError(t, os.Mkdir(p.path("folder"), 0o700))
		p.write("letter.txt", "Dear reader, this is no database. "+string(make([]byte, 4096)))
		for uri, says := range map[string]string{
			"file:folder?_txlock=immediate":            "directory",
			"file:missing/bridge.db?_txlock=immediate": "no such file",
			"file:letter.txt?_txlock=immediate":        "not a database",
		} {
			p.set("database.uri", uri)
			before := p.files()
			p.run("-n").refused("database", says)
			p.run("irc-password", "ada").refused("database", says)
			require.Equal(t, before, p.files())
		}
		p.set("database.type", "clay tablets")
		p.run("-n").refused("database.type is not sqlite3-fk-wal or postgres")
	})
}

// A database that a newer program has changed is left alone.
func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, p *place) {
		bridge := p.start()
		require.Zero(t, bridge.Terminate())
		requirePrivate(t, p.path("bridge.db"))
		p.sql("UPDATE hangouts_version SET version=1000, compat=1000")
		p.run().refused("newer version", "v1000")
		p.run("irc-password", "ada").refused("newer version", "v1000")
		require.Zero(t, p.count("SELECT COUNT(*) FROM irc_token"))
		require.Equal(t, 1000, p.count("SELECT version FROM hangouts_version"))
	})
}

func TestNewerDatabaseOfTheFramework(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.matrix(down)
	bridge := p.start()
	require.Zero(t, bridge.Terminate())
	for _, table := range []string{"version", "mx_version"} {
		version := p.count("SELECT version FROM " + table)
		p.sql("UPDATE " + table + " SET version=1000, compat=1000")
		p.run().refused("newer version", "v1000")
		p.sql("UPDATE " + table + " SET version=" + strconv.Itoa(version) + ", compat=1")
	}
	bridge.StartAgain()
	bridge.WaitPort(p.irc)
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, p *place) {
		bridge := p.start()
		require.Zero(t, bridge.Terminate())
		require.NoError(t, os.Chmod(p.dir, 0o755))
		require.NoError(t, os.Chmod(p.path("config.yaml"), 0o644))
		require.NoError(t, os.Chmod(p.path("bridge.db"), 0o444))
		require.NoError(t, os.Chmod(p.dir+"/..", 0o755))
		nobody := proc.StartSelf(t, nobodyRole, proc.Options{Quiet: true, Env: []string{
			"NOBODY_ARG0=" + p.program, "NOBODY_ARG1=-n", "NOBODY_ARG2=-c", "NOBODY_ARG3=" + p.path("config.yaml"),
		}, Dir: p.dir})
		code := nobody.WaitExit(patience)
		result{t, code, "", nobody.Log()}.refused("database", "bridge.db")
	})
}

// A second bridge on the same database, with other ports, ends and says which one holds it;
// subcommands are not hindered.
func TestSecondBridgeOnADatabase(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, p *place) {
		bridge := p.start()
		other := newPlace(t, nil)
		other.set("database.uri", "file:"+p.path("bridge.db")+"?_txlock=immediate")
		require.Equal(t, 15, other.run("-n").refused("another bridge uses the database", "pid ", " on ", " since ").code)
		p.run("irc-password", "ada").ok()
		require.Zero(t, bridge.Terminate())
		second := other.start()
		require.Zero(t, second.Terminate())
	})
}

// A subcommand does not upgrade the tables of an older bridge that still runs on them.
func TestSubcommandBesideAnOlderBridge(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	bridge := p.start()
	version := p.count("SELECT version FROM hangouts_version")
	p.sql("UPDATE hangouts_version SET version=version-1, compat=compat-1")
	p.run("irc-password", "ada").refused("another bridge uses the database", "End it first")
	require.Equal(t, version-1, p.count("SELECT version FROM hangouts_version"))
	p.sql("UPDATE hangouts_version SET version=version+1, compat=compat+1")
	p.run("irc-password", "ada").ok()
	require.Zero(t, bridge.Terminate())
}
