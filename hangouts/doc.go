// Package hangouts is a client of the (classic) Hangouts chat service, usable on its own.
//
// # A program in short
//
// [GetAuth] logs in, [New] makes a [Client], [NewRoster] a [Roster] on top of it. [Roster].OnEvent delivers each
// event of the account once, [Client.SendText] answers. The package example is a complete program;
// hangouts/examples/echobot and hangouts/examples/terminal are larger ones.
//
// # Logging in
//
// A session is a set of cookies. [GetAuth] makes one from a stored refresh token or asks a
// [CredentialsPrompt]; cookies copied from a browser work as well. Cookies, tokens and codes are
// secrets: this package writes them to no log and no error.
//
// The server changes cookies now and then. [Client].OnCookies reports every change, so that the
// application can store them. Some day it refuses them (HTTP 401, [ErrUnauthorized]). With
// [Config].Renew the client then gets new ones and repeats the refused request, while Connect
// keeps running; [Client.SetCookies] replaces them from outside.
//
// # Receiving
//
// [Client.Connect] holds the push channel open until it fails for good. What the server pushes is
// fired as events: [Client].OnBatch for each batch in the order of the wire, then OnStateUpdate for each
// update of it. A malformed update is logged by its type and skipped; the rest of its batch
// is delivered.
//
// The server does not repeat pushes. What it pushed while the channel was broken, or before the
// client subscribed, is lost. An application must therefore synchronise on OnSubscribed, on OnReconnect
// and on OnGap: [Client.CatchUp] delivers everything since a time. One answer of the server holds a part
// only, the oldest events first; CatchUp asks again until nothing is missing. Its result is the time
// to start from next. Events can arrive twice, pushed and caught up: an event id identifies them.
//
// [Roster] does all of that. It also keeps the conversations and people of the account, by the
// rules of [MergeConversation] and [Name.Upgrade].
//
// # Requests
//
// Each request of the chat API is a method that takes and returns the protobuf message of the
// same name (package hangoutspb). The client adds the request header. Requests that create an event
// need an [EventRequestHeader], whose client generated id the caller may choose: it comes back in
// the sender's own copies of the event. [Client.EventRequestHeaderFor] makes one for a conversation id.
//
// Some requests exist for groups only ([Client.AddUser], [Client.RemoveUser],
// [Client.SetGroupLinkSharingEnabled], [Client.GetGroupConversationURL]). Once an answer
// or a push has shown that a conversation is one-to-one, they return a [ConversationTypeError] without
// sending anything.
//
// # Pictures
//
// [Client.UploadImage] returns a photo id; [UploadedImage.Photo] and [PhotoByID] attach a photo to a message.
// [Client.Download] fetches attachments, from [Config].MediaHosts only and up to a size.
//
// # Errors
//
// Requests fail with a [NetworkError], which holds HTTP status, response status, description and
// the pause that the server asks for. errors.Is knows [ErrUnauthorized], [ErrRateLimited] and
// [ErrInvalidConversation]. [Ambiguous] separates requests that may have been carried out from those
// that were certainly not. Logging in fails with a [GoogleAuthError], which is [ErrLoginBeyond] when the
// login pages ask for a captcha or another device. No error text holds a secret or a URL.
//
// A rate limit (HTTP 429) is a matter of time, not the end of a program. [Retry] repeats a request
// while its error is [Temporary]: certainly without effect, and possible later. Connect
// retries by itself; with [Config].MaxRetries at [Unlimited] no outage ends it.
//
// By default a request that got no answer is repeated at once, as the reference client does, which
// can double its effect; [Config].NoBlindRepeats prevents that for requests with an effect.
//
// # Text, people, conversations
//
// [ParseText] turns typed text into segments, [MessageText] turns a message into plain text.
// [EntityName], [ParticipantName] and [ConversationTitle] name people and conversations, and
// [MergeConversation] applies the changes that come with pushes. All times of the protocol are
// microseconds since 1970-01-01 UTC, see [FromMicros].
//
// # Logging
//
// [Config].Logger is a slog.Logger; the default discards. It gets what no error can report: retries
// of the push channel (debug), malformed and lost pushes (warn), a failed renewal of the
// cookies (warn). Message texts are never logged. Each record is logged with the context of the call
// that caused it, so a handler can add what the application put there.
//
// # Bounds and concurrency
//
// [Config] bounds what a server can send: MaxChunk for a push, MaxResponseSize for an answer. [MaxImageSize]
// and [MaxDownloadSize] bound pictures. Each attempt of a request has a time-out, silence of the push channel
// another; pauses between retries grow up to MaxBackoff. Every method takes a context, and no
// goroutine is left once Connect has returned.
//
// All methods of [Client] and its events may be used by several goroutines at once; only one Connect
// runs at a time. Connect calls observers one after the other and in order; the
// channel waits while they run. All observers share the messages that they get: do not change them.
//
// # Differences from the reference
//
// hangups loses the updates behind a malformed one in a batch, ends when creating a channel fails
// once, counts retries over channels that worked, waits for ever behind junk, and ends on invalid
// UTF-8. This package skips the one update, tries again, resets the counter at the first chunk, and
// makes a new channel. It also accepts decimal strings for integers, and returns no other errors than
// those above.
//
// # Other servers
//
// Google switched the service off in 2022. [Config].BaseURL directs everything to a compatible
// server, such as package hangoutstest; [Config].Endpoints sets single addresses.
//
// Section numbers (protocol §…) refer to docs/hangouts-protocol.md. [U] marks uncertain facts.
package hangouts
