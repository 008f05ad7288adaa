package bridge

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/files"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/media"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

const (
	// avatarPatience is how long a room waits for the photos of people who are new to it.
	avatarPatience = 3 * time.Second
	// avatarDeadline bounds loading one photo later.
	avatarDeadline = time.Minute
)

// lacksAvatar reports whether a ghost does not show the photo of its person.
func (c *consumer) lacksAvatar(ctx context.Context, ghost *bridgev2.Ghost, person chat.Person) bool {
	want := files.AvatarID(person.Avatar)
	if want == "" {
		return false // not known, which is not the same as none
	}
	release, err := c.d.people.hold(ctx, claim{ghost.ID: false})
	if err != nil {
		return false
	}
	defer release()
	return ghost.AvatarID != want || !ghost.AvatarSet
}

// awaitAvatars loads the photos of people for a while. Those that take longer come later.
func (c *consumer) awaitAvatars(ctx context.Context, ghosts map[chat.PersonID]*bridgev2.Ghost, people []chat.Person) {
	patient, cancel := context.WithTimeout(ctx, avatarPatience)
	defer cancel()
	var loading sync.WaitGroup
	defer loading.Wait()
	for _, person := range people {
		if ghost := ghosts[person.ID]; ghost == nil || !c.lacksAvatar(ctx, ghost, person) {
			continue
		}
		loading.Go(func() {
			if c.loadAvatar(patient, person) == nil && patient.Err() != nil {
				c.loadAvatarLater(person)
			}
		})
	}
}

func (c *consumer) loadAvatar(ctx context.Context, person chat.Person) *bridgev2.Avatar {
	return c.connector.files.LoadAvatar(ctx, portal.InwardFile{Open: c.session.Open, Ref: person.Avatar})
}

// loadAvatarLater loads the photo of a person and shows it, one after another.
func (c *consumer) loadAvatarLater(person chat.Person) {
	c.live.do("avatars", string(person.ID), func() {
		ctx, cancel := context.WithTimeout(c.login.Log.WithContext(c.connector.bridge.BackgroundCtx), avatarDeadline)
		defer cancel()
		ghost, err := c.connector.bridge.GetExistingGhostByID(ctx, ids.MakeUserID(person.ID))
		if err == nil && ghost != nil && c.lacksAvatar(ctx, ghost, person) && c.loadAvatar(ctx, person) != nil {
			err = c.updateGhost(ctx, ghost, c.PersonInfo(person))
		}
		if err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Err(err).Msg("Failed to show a person's photo")
		}
	})
}

// keepAvatars loads, at a start, the photos that ghosts do not show yet: they have changed meanwhile, or
// did not come.
func (c *consumer) keepAvatars(ctx context.Context) {
	conversations, err := c.session.Conversations(ctx)
	if err != nil {
		return
	}
	seen := map[chat.PersonID]bool{}
	for _, conversation := range conversations {
		people, err := c.Known(ctx, conversation, portal.MemberIDs(conversation)...)
		if err != nil {
			continue
		}
		for _, person := range people {
			if seen[person.ID] || len(person.Avatar) == 0 {
				continue
			}
			seen[person.ID] = true
			ghost, err := c.connector.bridge.GetExistingGhostByID(ctx, ids.MakeUserID(person.ID))
			if err == nil && ghost != nil && c.lacksAvatar(ctx, ghost, person) {
				c.loadAvatarLater(person)
			}
		}
	}
}

// botPicture is the bot's avatar where the config has none.
//
//go:embed avatar.png
var botPicture []byte

// showBot gives the bot an avatar, unless it has one or the config says something of it.
func (m *Main) showBot(ctx context.Context) error {
	if m.Config.AppService.Bot.Avatar != "" {
		return nil
	}
	bot := m.Matrix.Bot
	if has, err := bot.GetOwnAvatarURL(ctx); err != nil || !has.IsEmpty() {
		return err
	}
	f, err := media.Spool(ctx, io.NopCloser(bytes.NewReader(botPicture)), 0, media.Limits{})
	if err != nil {
		return err
	}
	defer f.Close()
	avatar, err := m.connector.files.PutAvatar(ctx, "", f)
	if err != nil {
		return fmt.Errorf("upload avatar: %w", err)
	}
	uri, err := id.ParseContentURI(string(avatar.MXC))
	if err == nil {
		err = bot.SetAvatarURL(ctx, uri)
	}
	return err
}
