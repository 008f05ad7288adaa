//go:build tools

package deps

import (
	_ "github.com/lib/pq"
	_ "github.com/mattn/go-sqlite3"
	_ "github.com/rs/zerolog"
	_ "github.com/stretchr/testify/require"
	_ "github.com/stretchr/testify/assert"
	_ "go.mau.fi/util/dbutil/litestream"
	_ "go.mau.fi/util/configupgrade"
	_ "go.uber.org/goleak"
	_ "golang.org/x/crypto/argon2"
	_ "golang.org/x/net/html"
	_ "golang.org/x/oauth2"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/text/unicode/norm"
	_ "golang.org/x/time/rate"
	_ "golang.org/x/term"
	_ "google.golang.org/protobuf/proto"
	_ "gopkg.in/irc.v3"
	_ "maunium.net/go/mautrix/bridgev2"
	_ "maunium.net/go/mautrix/bridgev2/matrix/mxmain"
	_ "gopkg.in/yaml.v3"
)
