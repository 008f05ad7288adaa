package database

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
)

// logger is dbutil's, without the arguments of slow statements, which it would log at
// trace level: credentials and messages are among them.
type logger struct{ dbutil.DatabaseLogger }

// Logger is a log for a database that holds secrets.
func Logger(log zerolog.Logger) dbutil.DatabaseLogger {
	return logger{dbutil.ZeroLogger(log, dbutil.ZeroLogSettings{CallerSkipFrame: 3, Caller: true})}
}

// slow is how long a statement takes that dbutil logs.
const slow = time.Second

// QueryTiming implements dbutil.DatabaseLogger.
func (l logger) QueryTiming(ctx context.Context, method, query string, _ []any, rows int, duration time.Duration, err error) {
	if duration < slow && !dbutil.GlobalSafeQueryLog {
		return // dbutil would look for a logger first, each time
	}
	l.DatabaseLogger.QueryTiming(ctx, method, query, nil, rows, duration, err)
}
