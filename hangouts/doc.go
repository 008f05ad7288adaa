// Package hangouts is a client of the (classic) Hangouts chat service, usable on its own.
//
// # Logging in
//
// A session is a set of cookies. [GetAuth] makes one from a cached refresh token or asks a
// [CredentialsPrompt]; cookies copied from a browser do as well. Cookies, tokens and codes are
// secrets: this package writes them to no log and no error.
//
//	cookies, err := hangouts.GetAuth(ctx, cfg, prompt, cache, false)
//	client, err := hangouts.New(cfg, cookies)
//	client.OnCookies = keep // the server changes cookies now and then
//
// # Receiving
//
// [Client.Connect] holds the push channel open until it fails for good. What the server pushes comes
// as events: [Client].OnBatch for each batch in the order of the wire, then OnStateUpdate for each
// update of it. A malformed update is logged with its type and left out, the rest of its batch
// is delivered. What was pushed while the channel was broken, or before the server knew what to push,
// does not come again; so call [Client.SyncAllNewEvents] upon OnSubscribed, OnReconnect and OnGap.
// Events can come twice: tell them apart by event id.
//
//	client.OnBatch.AddObserver(hangouts.Observe(func(ctx context.Context, batch []*hangoutspb.StateUpdate) error { … }))
//	err := client.Connect(ctx)
//
// # Requests
//
// Each request of the chat API is a method that takes and returns the protobuf message of the
// same name (package hangoutspb). The request header is added by itself. Requests that create an event
// need an [EventRequestHeader], whose client generated id the caller may choose: it comes back in
// the sender's own copies of the event.
//
// What only groups know ([Client.AddUser], [Client.RemoveUser], [Client.SetGroupLinkSharingEnabled],
// [Client.GetGroupConversationURL]) gives a [ConversationTypeError] without being sent when an answer
// or a push showed that the conversation is one-to-one.
//
// # Pictures
//
// [Client.UploadImage] makes a photo id, [UploadedImage.Photo] and [PhotoByID] put one into a message.
// [Client.Download] fetches what others attached, from [Config].MediaHosts only and up to a size.
//
// # Errors
//
// Requests fail with a [NetworkError], which keeps HTTP status, response status, description and
// how long the server asks to wait. errors.Is knows [ErrUnauthorized], [ErrRateLimited] and
// [ErrInvalidConversation]. [Ambiguous] tells a request that may have been carried out from one
// that certainly was not. Logging in fails with a [GoogleAuthError], which is [ErrLoginBeyond] when the
// login pages ask for a captcha or another device. No error text holds a secret or a URL.
//
// By default a request that got no answer is repeated at once, as the reference client does, which
// can double its effect; [Config].NoBlindRepeats forbids that for requests with an effect.
//
// # Text, people, conversations
//
// [ParseText] turns what a person typed into segments, [MessageText] turns a message into plain text.
// [EntityName], [ParticipantName] and [ConversationTitle] name people and conversations, and
// [MergeConversation] applies the changes that come with pushes. All times of the protocol are
// microseconds since 1970-01-01 UTC, see [FromMicros].
//
// # Bounds and concurrency
//
// A push is at most [Config].MaxChunk long, an answer MaxResponseSize, an image [MaxImageSize], a
// download [MaxDownloadSize]. Each attempt of a request has a time-out, silence of the push channel
// another; retries wait longer each time, up to MaxBackoff. Every method takes a context, and no
// goroutine is left when Connect has returned.
//
// All methods of [Client] and its events may be used by several goroutines at once; only one Connect
// runs at a time. Observers are called by Connect, one after the other and in order, and hold up the
// channel while they run. Messages that are handed out belong to all observers: do not change them.
//
// # Not as the reference
//
// hangups loses what comes in one batch behind a malformed update, ends when creating a channel fails
// once, counts retries over channels that worked, waits for ever behind junk, and ends on invalid
// UTF-8. This package reports the one update, tries again, counts anew after the first chunk, and
// makes a new channel. It also takes decimal strings for integers, and raises no other error than
// those above.
//
// # Other servers
//
// Google switched the service off in 2022. [Config].BaseURL points everything at a compatible
// server, [Config].Endpoints each address by itself.
//
// Section numbers (protocol §…) refer to docs/hangouts-protocol.md. [U] marks what is not certain.
package hangouts
