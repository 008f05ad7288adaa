package hangouts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// A program that answers every message, here against a compatible server with one lively contact. It could run for a
// year: an outage, a rate limit and refused cookies do not end it. hangouts/examples/echobot is the same as a command
// that also goes on where it ended.
func Example() {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store := storeWith(srv.Account(0).RefreshToken()) // or hangouts.NewRefreshTokenCache("refresh-token")

	cfg := hangouts.Config{BaseURL: srv.URL, MaxRetries: hangouts.Retries(hangouts.Unlimited)}
	cfg.Renew = func(ctx context.Context) (map[string]string, error) {
		return hangouts.GetAuth(ctx, cfg, nil, store, false)
	}
	cookies, err := cfg.Renew(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := hangouts.New(cfg, cookies)
	if err != nil {
		fmt.Println(err)
		return
	}
	roster := hangouts.NewRoster(client, 0)
	answer := hangouts.Observe(func(ctx context.Context, event *pb.Event) error {
		if hangouts.KindOf(event) != hangouts.ChatMessageEvent {
			return nil
		}
		text := hangouts.MessageText(event.GetChatMessage())
		if event.GetSenderId().GetGaiaId() == roster.Self().GaiaID {
			fmt.Println("sent:", text)
			client.Disconnect()
			return nil
		}
		fmt.Printf("received from %s: %s\n", roster.Person(event.GetSenderId().GetGaiaId()).Name.First, text)
		err := hangouts.Retry(ctx, func(ctx context.Context) error {
			_, err := client.SendText(ctx, event.GetConversationId().GetId(), "You said: "+text)
			return err
		})
		if err != nil {
			fmt.Println("not answered:", err) // and on with the next one
		}
		return ctx.Err()
	})
	if err := roster.OnEvent.AddObserver(answer); err != nil {
		fmt.Println(err)
		return
	}
	go greet(ctx, srv)
	if err := roster.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	// Output:
	// received from Carol: Hello
	// sent: You said: Hello
}

// greet writes to the account as soon as it is there, while the server limits its requests.
func greet(ctx context.Context, srv *hangoutstest.Server) {
	if srv.Account(0).WaitSubscribed(ctx, 1) != nil {
		return
	}
	_, _ = srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 429, Endpoint: "conversations/sendchatmessage"})
	_, _ = srv.Person("carol").Send("carol", "Hello")
}

func storeWith(token string) hangouts.RefreshTokenStore { return &memory{token: token} }

// Catching up on what was missed, without a Roster: on every occasion, in pages, and over answers that are cut.
func ExampleClient_CatchUp() {
	srv := hangoutstest.New(hangoutstest.Options{Configure: func(s *hangoutstest.Settings) { s.SyncMaxEvents = 2 }})
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, srv.Account(0).Cookies())
	if err != nil {
		fmt.Println(err)
		return
	}
	synced := srv.Now() // µs; a program keeps the result of its last catch-up
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		if _, err := srv.Person("carol").Send("carol", text); err != nil {
			fmt.Println(err)
			return
		}
	}
	catchUp := func(ctx context.Context) error {
		return hangouts.Retry(ctx, func(ctx context.Context) (err error) {
			synced, err = client.CatchUp(ctx, synced, func(states []*pb.ConversationState) error {
				for _, state := range states {
					for _, event := range state.GetEvent() {
						fmt.Println(hangouts.MessageText(event.GetChatMessage()))
					}
				}
				return nil
			})
			return err
		})
	}
	err = errors.Join(
		client.OnSubscribed.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Subscribed) error {
			defer client.Disconnect() // enough for an example
			return catchUp(ctx)
		})),
		client.OnReconnect.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Connected) error { return catchUp(ctx) })),
		client.OnGap.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Gap) error { return catchUp(ctx) })),
	)
	if err == nil {
		err = client.Connect(ctx)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
	// three
	// four
	// five
}

// Sending a message with formatting and a link.
func ExampleClient_SendChatMessage() {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	client, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, srv.Account(0).Cookies())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	recent, err := client.SyncRecentConversations(ctx, &pb.SyncRecentConversationsRequest{MaxConversations: proto.Uint64(1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	conversation := recent.GetConversationState()[0].GetConversation()
	sent, err := client.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		MessageContent:     &pb.MessageContent{Segment: hangouts.ParseText("See **this**: www.example.com")},
		EventRequestHeader: hangouts.EventRequestHeader(conversation, hangouts.ClientGeneratedID()),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, segment := range sent.GetCreatedEvent().GetChatMessage().GetMessageContent().GetSegment() {
		fmt.Printf("%q %v %q\n", segment.GetText(), segment.GetFormatting().GetBold(), segment.GetLinkData().GetLinkTarget())
	}
	// Output:
	// "See " false ""
	// "this" true ""
	// ": " false ""
	// "www.example.com" false "http://www.example.com"
}

// Uploading an image, sending it by its id, and fetching what others see.
func ExampleClient_UploadImage() {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	client, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, srv.Account(0).Cookies())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	image, err := client.UploadImage(ctx, strings.NewReader("\x89PNG\r\n\x1a\n"), "dot.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	team, _ := srv.Conversation("team")
	sent, err := client.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		ExistingMedia: image.Photo(),
		EventRequestHeader: &pb.EventRequestHeader{
			ConversationId: &pb.ConversationId{Id: proto.String(team.ID)}, ClientGeneratedId: proto.Uint64(hangouts.ClientGeneratedID()),
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, address := range hangouts.PhotoURLs(sent.GetCreatedEvent().GetChatMessage()) {
		photo, err := client.Download(ctx, address, 1<<20)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(photo.Data), photo.ContentType)
	}
	// Output: 8 image/png
}
