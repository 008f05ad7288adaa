package homeserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"
	"go.mau.fi/util/ptr"
	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// AliasPrefix begins the local part of every alias that the bridge gives to a room; the
// registration claims it.
const AliasPrefix = "hangouts_"

// roomMaker makes bridged rooms so that a crash between the homeserver's answer and the
// room's row leaves no orphan: every room is made with an alias that only this
// bridge can compute, and a room that has it already is adopted.
type roomMaker struct {
	store  *database.MatrixRooms
	c      *Connector
	secret []byte
}

func (r *roomMaker) load(ctx context.Context) error {
	secret, err := r.store.Value(ctx, "alias_secret", random.String(64))
	r.secret = []byte(secret)
	return err
}

// alias is the alias of a bridged room, made of the key that bridgev2 puts into the request.
func (r *roomMaker) alias(key id.RoomID) (localpart string) {
	mac := hmac.New(sha256.New, r.secret)
	mac.Write([]byte(key))
	return AliasPrefix + hex.EncodeToString(mac.Sum(nil)[:20])
}

// AliasOf is the alias of a room that is made with a key.
func (c *Connector) AliasOf(key id.RoomID) id.RoomAlias {
	return id.NewRoomAlias(c.rooms.alias(key), c.AS.HomeserverDomain)
}

// create makes a room. Only bridged rooms carry a key and get an alias.
func (r *roomMaker) create(ctx context.Context, as *Intent, req *mautrix.ReqCreateRoom) (id.RoomID, error) {
	if req.BeeperLocalRoomID == "" || as.GetMXID() != r.c.Bot.UserID {
		return as.ASIntent.CreateRoom(ctx, req)
	}
	req.RoomAliasName = r.alias(req.BeeperLocalRoomID)
	// An empty canonical alias keeps the homeserver from showing ours as the room's name.
	req.InitialState = append(req.InitialState, &event.Event{
		Type: event.StateCanonicalAlias, StateKey: ptr.Ptr(""), Content: event.Content{Parsed: &event.CanonicalAliasEventContent{}},
	})
	room, err := as.ASIntent.CreateRoom(ctx, req)
	if errors.Is(err, mautrix.MRoomInUse) {
		room, err = r.adopt(ctx, as, req)
	} else if err == nil {
		r.c.traces.empty(room)
	}
	if err != nil {
		return "", err
	}
	alias := id.NewRoomAlias(req.RoomAliasName, r.c.AS.HomeserverDomain)
	if err = r.store.PutAlias(ctx, string(room), string(alias)); err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to note the alias of a room")
	}
	return room, nil
}

// adopt returns the room that has the alias if it is one of ours that nothing uses, and
// otherwise makes a new one.
func (r *roomMaker) adopt(ctx context.Context, as *Intent, req *mautrix.ReqCreateRoom) (id.RoomID, error) {
	alias := id.NewRoomAlias(req.RoomAliasName, r.c.AS.HomeserverDomain)
	log := zerolog.Ctx(ctx).With().Str("alias", string(alias)).Logger()
	resolved, err := r.c.Bot.ResolveAlias(ctx, alias)
	if err != nil {
		return "", fmt.Errorf("resolve alias of room: %w", err)
	}
	ours, err := r.ours(ctx, resolved.RoomID)
	if err != nil {
		return "", fmt.Errorf("look at room with our alias: %w", err)
	}
	if ours {
		log.Info().Stringer("room", resolved.RoomID).Msg("Going on with the room that was made before")
		return resolved.RoomID, nil
	}
	log.Warn().Stringer("room", resolved.RoomID).Msg("A room with our alias is not ours; making another")
	if _, err = r.c.Bot.DeleteAlias(ctx, alias); err != nil {
		return "", fmt.Errorf("take alias from room: %w", err)
	}
	return as.ASIntent.CreateRoom(ctx, req)
}

// ours reports whether the bot made a room, is in it, and nothing uses it.
func (r *roomMaker) ours(ctx context.Context, room id.RoomID) (bool, error) {
	var member event.MemberEventContent
	err := r.c.Bot.StateEvent(ctx, room, event.StateMember, string(r.c.Bot.UserID), &member)
	if errors.Is(err, mautrix.MForbidden) || errors.Is(err, mautrix.MNotFound) || (err == nil && member.Membership != event.MembershipJoin) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	created, err := r.c.Bot.FullStateEvent(ctx, room, event.StateCreate, "")
	if err != nil {
		return false, err
	}
	used, err := r.c.host.Rooms(ctx)
	return created.Sender == r.c.Bot.UserID && !slices.Contains(used, room), err
}

// dropAlias takes a room's alias away, so that another room can get it.
func (r *roomMaker) dropAlias(ctx context.Context, room id.RoomID) {
	alias, err := r.store.Alias(ctx, string(room))
	if err == nil && alias != "" {
		if _, err = r.c.Bot.DeleteAlias(ctx, id.RoomAlias(alias)); err == nil || errors.Is(err, mautrix.MNotFound) {
			err = r.store.DropAlias(ctx, string(room))
		}
	}
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Stringer("room", room).Msg("Failed to delete the alias of a room")
	}
}
