package hangouts_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// zeroFunctions are all functions of the three packages.
var zeroFunctions = map[string]any{
	"ActionAnnotation": hangouts.ActionAnnotation, "Ambiguous": hangouts.Ambiguous, "ClientGeneratedID": hangouts.ClientGeneratedID,
	"ConversationTitle": hangouts.ConversationTitle, "DefaultDeliveryMedium": hangouts.DefaultDeliveryMedium, "EntityName": hangouts.EntityName,
	"EventRequestHeader": hangouts.EventRequestHeader, "FromMicros": hangouts.FromMicros, "GetAuth": hangouts.GetAuth,
	"GetAuthStdin": hangouts.GetAuthStdin, "IsAction": hangouts.IsAction, "IsArchived": hangouts.IsArchived, "IsGroup": hangouts.IsGroup,
	"IsLinkSharingEnabled": hangouts.IsLinkSharingEnabled, "IsOffTheRecord": hangouts.IsOffTheRecord, "IsQuiet": hangouts.IsQuiet,
	"KindOf": hangouts.KindOf, "LatestRead": hangouts.LatestRead, "LineBreakSegment": hangouts.LineBreakSegment, "LinkSegment": hangouts.LinkSegment,
	"LoginURL": hangouts.LoginURL, "MergeConversation": hangouts.MergeConversation, "MessageText": hangouts.MessageText, "New": hangouts.New,
	"NewName": hangouts.NewName, "NewRoster": hangouts.NewRoster, "Retry": hangouts.Retry, "Temporary": hangouts.Temporary, "NewRefreshTokenCache": hangouts.NewRefreshTokenCache, "Observe": hangouts.Observe[int],
	"ParsePlainText": hangouts.ParsePlainText, "ParseText": hangouts.ParseText, "ParticipantName": hangouts.ParticipantName,
	"PhotoByID": hangouts.PhotoByID, "PhotoURL": hangouts.PhotoURL, "PhotoURLs": hangouts.PhotoURLs, "RequireGroup": hangouts.RequireGroup,
	"Retries": hangouts.Retries, "RetryAfter": hangouts.RetryAfter, "SegmentFormat": hangouts.SegmentFormat, "SegmentsText": hangouts.SegmentsText,
	"TextSegment": hangouts.TextSegment, "ToMicros": hangouts.ToMicros, "UnreadEvents": hangouts.UnreadEvents, "UnreadMessages": hangouts.UnreadMessages,

	"channel.New": channel.New, "channel.ParseRetryAfter": channel.ParseRetryAfter,

	"pblite.Elements": pblite.Elements, "pblite.Marshal": pblite.Marshal, "pblite.Tag": pblite.Tag, "pblite.Unmarshal": pblite.Unmarshal,
}

// zeroValues are all types with methods, at zero, and pointers that may be nil.
var zeroValues = []any{
	&hangouts.Client{}, (*hangouts.Client)(nil), &hangouts.Roster{}, (*hangouts.Roster)(nil), hangouts.NewRoster(nil, 0), hangouts.NewRoster(&hangouts.Client{}, 0), &hangouts.Event[int]{}, &hangouts.Observer[int]{}, &hangouts.NetworkError{},
	&hangouts.ConversationTypeError{}, &hangouts.GoogleAuthError{}, hangouts.UploadedImage{}, hangouts.Name{}, hangouts.NameType(0),
	hangouts.EventKind(0), &hangouts.RefreshTokenCache{}, (*hangouts.RefreshTokenCache)(nil), &hangouts.TerminalPrompt{Out: io.Discard},
	&channel.Channel{}, channel.New(channel.Config{}, nil), &channel.Splitter{}, &channel.StatusError{},
	pblite.UnmarshalOptions{}, pblite.MarshalOptions{}, pblite.Warning{}, pblite.Warnings{},
}

// zeroArguments are zero values, and a context that ends.
func zeroArguments(ctx context.Context, f reflect.Type) (list []reflect.Value) {
	for i := range f.NumIn() {
		switch t := f.In(i); {
		case t == reflect.TypeFor[context.Context]():
			list = append(list, reflect.ValueOf(ctx))
		case t == reflect.TypeFor[hangouts.Config](): // of a server that is not there
			list = append(list, reflect.ValueOf(hangouts.Config{BaseURL: "http://127.0.0.1:1"}))
		default:
			list = append(list, reflect.Zero(t))
		}
	}
	return list
}

// TestZeroValues calls every function with zero values and every method of a zero value: none panics.
func TestZeroValues(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, f := range zeroFunctions {
		v := reflect.ValueOf(f)
		require.NotPanics(t, func() { v.Call(zeroArguments(ctx, v.Type())) }, name)
	}
	for _, value := range zeroValues {
		v := reflect.ValueOf(value)
		for i := range v.NumMethod() {
			m := v.Method(i)
			require.NotPanics(t, func() { m.Call(zeroArguments(ctx, m.Type())) }, "%T %s", value, v.Type().Method(i).Name)
		}
	}
	_, err := new(hangouts.Client).GetSelfInfo(ctx, nil)
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
	require.ErrorIs(t, new(hangouts.Client).Connect(ctx), hangouts.ErrConfig)
	require.ErrorIs(t, channel.New(channel.Config{}, nil).Run(ctx), channel.ErrConfig)
	require.ErrorIs(t, hangouts.NewRoster(&hangouts.Client{}, 0).Run(ctx), hangouts.ErrConfig)
	require.Empty(t, hangouts.SegmentsText([]*pb.Segment{nil}))
	_, err = hangouts.GetAuth(ctx, hangouts.Config{}, nil, nil, false)
	require.ErrorContains(t, err, "no refresh token")
}

// TestZeroValuesAreAll: the tables above name every exported function and type with methods.
func TestZeroValuesAreAll(t *testing.T) {
	types := map[string]bool{}
	for _, value := range zeroValues {
		name := strings.TrimPrefix(reflect.TypeOf(value).String(), "*")
		name, _, _ = strings.Cut(name, "[")
		types[strings.TrimPrefix(name, "hangouts.")] = true
	}
	for prefix, pattern := range map[string]string{"": "*.go", "channel.": "channel/*.go", "pblite.": "pblite/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				switch {
				case !ok || !f.Name.IsExported():
				case f.Recv == nil:
					require.NotNil(t, zeroFunctions[prefix+f.Name.Name], prefix+f.Name.Name)
				case ast.IsExported(receiver(f)):
					require.True(t, types[prefix+receiver(f)], prefix+receiver(f))
				}
			}
		}
	}
}

// receiver names the type of a method.
func receiver(f *ast.FuncDecl) string {
	e := f.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// TestNoObserver: nil and an observer of nothing are refused, and hide no other observer.
func TestNoObserver(t *testing.T) {
	var e hangouts.Event[int]
	require.ErrorIs(t, e.AddObserver(nil), hangouts.ErrNoObserver)
	require.ErrorIs(t, e.AddObserver(&hangouts.Observer[int]{}), hangouts.ErrNoObserver)
	require.ErrorIs(t, e.AddObserver(hangouts.Observe[int](nil)), hangouts.ErrNoObserver)
	require.ErrorIs(t, e.RemoveObserver(nil), hangouts.ErrObserverAbsent)
	called := 0
	require.NoError(t, e.AddObserver(hangouts.Observe(func(_ context.Context, n int) error { called += n; return nil })))
	require.NoError(t, e.Fire(t.Context(), 7))
	require.Equal(t, 7, called)
}
