package classic

import (
	"context"
	"log/slog"
	"time"

	"github.com/rs/zerolog"
)

// contextLog passes what the library logs to the logger of the context, which names the account.
type contextLog struct{ attrs []slog.Attr }

var _ slog.Handler = contextLog{}

func (l contextLog) handler(ctx context.Context) slog.Handler {
	return zerolog.NewSlogHandler(*zerolog.Ctx(ctx)).WithAttrs(l.attrs)
}

// Enabled implements slog.Handler.
func (l contextLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.handler(ctx).Enabled(ctx, level)
}

// Handle implements slog.Handler. The logger of the context adds the time.
func (l contextLog) Handle(ctx context.Context, record slog.Record) error {
	record.Time = time.Time{}
	return l.handler(ctx).Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (l contextLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextLog{append(l.attrs[:len(l.attrs):len(l.attrs)], attrs...)}
}

// WithGroup implements slog.Handler. The library makes no groups.
func (l contextLog) WithGroup(string) slog.Handler { return l }
