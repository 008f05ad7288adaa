package cli_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPortInUse(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, p *place) {
		taken := listener(t)
		p.set("network.irc.listen", []string{p.irc, taken})
		p.run().refused("another program listens on "+taken, "irc.listen")
		p.set("network.irc.listen", []string{p.irc})
		bridge := p.start() // the refused start has left nothing behind
		p.set("database.uri", "file:other.db?_txlock=immediate")
		p.run().refused("listen")
		require.Zero(t, bridge.Terminate())
	})
}

func TestAppservicePortInUse(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.matrix(down)
	taken := listener(t)
	port, err := strconv.Atoi(portOf(taken))
	require.NoError(t, err)
	p.set("appservice.port", port)
	p.run().refused("appservice.port")
	p.set("appservice.port", 0)
	p.run().refused("appservice.port")
}

func TestOtherPortsInUse(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	taken := listener(t)
	p.run("hangouts-server", "-listen", taken).refused(taken, "in use")
	p.run("hangouts-server", "-proxy", taken, "-ca-out", p.path("ca.pem")).refused(taken, "in use")
	require.NoFileExists(t, p.path("ca.pem"))
	p.run("demo", "-irc", taken).refused(taken, "-irc")
	p.run("demo", "-irc", "nowhere").refused("nowhere", "-irc")
}
