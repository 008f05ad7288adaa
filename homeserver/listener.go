package homeserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// readTimeout bounds the headers of a request from the homeserver.
const readTimeout = time.Minute

// Listen begins to take requests of the homeserver: events are stored from now on and
// handled after StartHandling. What begins with prefix goes to other.
func (c *Connector) Listen(prefix string, other http.Handler) error {
	host := c.AS.Host
	network, address := "tcp", host.Address()
	switch {
	case c.Config.Homeserver.Websocket || c.Config.Homeserver.WSProxy != "":
		return nil
	case host.IsUnixSocket():
		network, address = "unix", host.Hostname
		_ = os.Remove(address)
	case !host.IsConfigured():
		return fmt.Errorf("%w: appservice.hostname and appservice.port are not set", ErrListen)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("%w for the homeserver on %s (appservice.hostname, appservice.port): %w", ErrListen, address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("PUT /_matrix/app/v1/transactions/{txnID}", &transactions{c})
	mux.Handle(prefix, other)
	mux.Handle("/", c.AS.Router)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: readTimeout, MaxHeaderBytes: 64 << 10}
	c.Log.Info().Str("address", listener.Addr().String()).Msg("Listening for the homeserver")
	server := c.server
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.Log.Err(err).Msg("The listener for the homeserver ended")
		}
	}()
	return nil
}

// CloseListener ends Listen; requests that are under way get a moment.
func (c *Connector) CloseListener() {
	if c.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
}

// PreStop implements bridgev2.MatrixConnector: nothing is taken from the homeserver any
// more.
func (c *Connector) PreStop() {
	c.CloseListener()
	c.Connector.PreStop()
}
