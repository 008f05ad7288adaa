package hangoutstest

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// maxTimeoutSecs bounds the time-outs that clients ask for.
const maxTimeoutSecs = 30 * 86400

// getSelfInfo: protocol §8.2.
func (c *call) getSelfInfo(*pb.GetSelfInfoRequest) (*pb.GetSelfInfoResponse, error) {
	p := c.person
	resp := &pb.GetSelfInfoResponse{
		SelfEntity:        c.entity(p, true),
		IsKnownMinor:      proto.Bool(false),
		DesktopOffSetting: &pb.DesktopOffSetting{DesktopOff: proto.Bool(p.DesktopOff)},
		DesktopOffState:   &pb.DesktopOffState{DesktopOff: proto.Bool(p.DesktopOff), Version: proto.Uint64(0)},
		DndState: &pb.DoNotDisturbSetting{
			DoNotDisturb: proto.Bool(p.DoNotDisturbUS > c.s.world.lastUS), ExpirationTimestamp: proto.Uint64(p.DoNotDisturbUS)},
		PhoneData: &pb.PhoneData{},
		ConfigurationBit: []*pb.ConfigurationBit{{
			ConfigurationBitType: pb.ConfigurationBitType_CONFIGURATION_BIT_TYPE_DESKTOP_AUTO_EMOJI_CONVERSION_ENABLED.Enum(),
			Value:                proto.Bool(true),
		}},
		GooglePlusUser: proto.Bool(false),
		DesktopSoundSetting: &pb.DesktopSoundSetting{
			DesktopSoundState: pb.SoundState_SOUND_STATE_ON.Enum(), DesktopRingSoundState: pb.SoundState_SOUND_STATE_ON.Enum()},
		RichPresenceState: &pb.RichPresenceState{GetRichPresenceEnabledState: []*pb.RichPresenceEnabledState{{
			Type: pb.RichPresenceType_RICH_PRESENCE_TYPE_LAST_SEEN.Enum(), Enabled: proto.Bool(true)}}},
		DefaultCountry: &pb.Country{RegionCode: proto.String("US"), CountryCode: proto.Uint64(1)},
	}
	if p.VoiceNumber != "" {
		resp.PhoneData.Phone = []*pb.Phone{{
			PhoneNumber: phoneNumber(p.VoiceNumber), GoogleVoice: proto.Bool(true), Primary: proto.Bool(true),
			VerificationStatus: pb.PhoneVerificationStatus_PHONE_VERIFICATION_STATUS_VERIFIED.Enum(),
		}}
	}
	return resp, nil
}

// getEntityByID: protocol §8.3. entity holds ordinary accounts only, entity_result everything.
func (c *call) getEntityByID(req *pb.GetEntityByIdRequest) (*pb.GetEntityByIdResponse, error) {
	resp := &pb.GetEntityByIdResponse{}
	for _, spec := range req.GetBatchLookupSpec() {
		result := &pb.EntityResult{LookupSpec: spec}
		p, err := c.lookup(spec)
		if err != nil {
			return nil, err
		}
		if p != nil {
			e := c.entity(p, p.GaiaID == c.person.GaiaID)
			result.Entity = []*pb.Entity{e}
			if !p.OffNetwork {
				resp.Entity = append(resp.Entity, e)
			}
		}
		resp.EntityResult = append(resp.EntityResult, result)
	}
	return resp, nil
}

func (c *call) lookup(spec *pb.EntityLookupSpec) (*person, error) {
	w := c.s.world
	if id := spec.GetGaiaId(); id != "" {
		return w.people[id], nil
	}
	for _, id := range w.peopleIDs {
		p := w.people[id]
		if (spec.GetEmail() != "" && p.Email == spec.GetEmail()) || (spec.GetPhone() != "" && p.Phone == spec.GetPhone()) {
			if spec.GetPhone() != "" && !c.person.knows(id) {
				continue
			}
			if p.OffNetwork && !spec.GetCreateOffnetworkGaia() {
				continue
			}
			return p, nil
		}
	}
	if spec.GetPhone() == "" || !spec.GetCreateOffnetworkGaia() {
		return nil, nil
	}
	p := &person{GaiaID: c.s.gen.gaiaID(), Key: spec.GetPhone(), Name: spec.GetPhone(), Phone: spec.GetPhone(), OffNetwork: true, PhotoURL: "none"}
	return p, c.s.commitLocked(op{Person: p})
}

// contacts lists everybody this account knows, itself left out.
func (c *call) contacts() []*person {
	var list []*person
	for _, id := range c.s.world.peopleIDs {
		if id != c.person.GaiaID && c.person.knows(id) {
			list = append(list, c.s.world.people[id])
		}
	}
	return list
}

// searchEntities: protocol §8.5, case-insensitive substring of name or e-mail.
func (c *call) searchEntities(req *pb.SearchEntitiesRequest) (*pb.SearchEntitiesResponse, error) {
	resp := &pb.SearchEntitiesResponse{}
	limit := int(min(req.GetMaxCount(), 1000))
	if limit == 0 {
		limit = 10
	}
	for _, id := range c.s.world.peopleIDs {
		p := c.s.world.people[id]
		if len(resp.Entity) < limit && req.GetQuery() != "" && !p.OffNetwork && p.matches(req.GetQuery()) {
			resp.Entity = append(resp.Entity, c.entity(p, false))
		}
	}
	return resp, nil
}

// getSuggestedEntities: protocol §8.4. The people of one's conversations are those one
// hangs out with; the others on the network are other contacts.
func (c *call) getSuggestedEntities(req *pb.GetSuggestedEntitiesRequest) (*pb.GetSuggestedEntitiesResponse, error) {
	with := map[string]bool{}
	for _, conv := range c.s.world.convs {
		if conv.member(c.person.GaiaID) != nil {
			for _, m := range conv.present() {
				with[m.GaiaID] = true
			}
		}
	}
	var close, online, other []*person
	for _, p := range c.contacts() {
		switch {
		case with[p.GaiaID]:
			close = append(close, p)
		case p.OffNetwork:
			other = append(other, p)
		default:
			online = append(online, p)
		}
	}
	resp := &pb.GetSuggestedEntitiesResponse{
		Favorites:               c.group(req.GetFavorites(), nil),
		ContactsYouHangoutWith:  c.group(req.GetContactsYouHangoutWith(), close),
		OtherContactsOnHangouts: c.group(req.GetOtherContactsOnHangouts(), online),
		OtherContacts:           c.group(req.GetOtherContacts(), other),
		DismissedContacts:       c.group(req.GetDismissedContacts(), nil),
		PinnedFavorites:         c.group(req.GetPinnedFavorites(), nil),
	}
	for _, p := range c.contacts() {
		if uint64(len(resp.Entity)) < req.GetMaxCount() && !p.OffNetwork {
			resp.Entity = append(resp.Entity, c.entity(p, false))
		}
	}
	return resp, nil
}

func (c *call) group(want *pb.SuggestedContactGroupHash, people []*person) *pb.SuggestedContactGroup {
	h := sha256.New()
	for _, p := range people {
		h.Write([]byte(p.GaiaID + "\x00" + p.Name + "\x00"))
	}
	hash := h.Sum(nil)[:4]
	g := &pb.SuggestedContactGroup{HashMatched: proto.Bool(bytes.Equal(hash, want.GetHash())), Hash: hash}
	if g.GetHashMatched() {
		return g
	}
	for _, p := range people {
		if want != nil && want.MaxResults != nil && uint64(len(g.Contact)) >= want.GetMaxResults() {
			break
		}
		g.Contact = append(g.Contact, &pb.SuggestedContact{
			Entity: c.entity(p, false), InvitationStatus: pb.InvitationStatus_INVITATION_STATUS_ACCEPTED.Enum()})
	}
	return g
}

// queryPresence: protocol §8.6; only the fields of the mask are returned.
func (c *call) queryPresence(req *pb.QueryPresenceRequest) (*pb.QueryPresenceResponse, error) {
	resp := &pb.QueryPresenceResponse{}
	seen := map[string]bool{}
	for _, id := range req.GetParticipantId() {
		gaia := id.GetGaiaId()
		if seen[gaia] {
			return nil, errDuplicateIDs
		}
		seen[gaia] = true
		p := c.s.world.people[gaia]
		if p == nil {
			continue
		}
		resp.PresenceResult = append(resp.PresenceResult, &pb.PresenceResult{
			UserId: participantID(gaia), Presence: masked(c.s.presence(p), req.GetFieldMask())})
	}
	return resp, nil
}

func masked(full *pb.Presence, mask []pb.FieldMask) *pb.Presence {
	out := &pb.Presence{}
	for _, m := range mask {
		switch m {
		case pb.FieldMask_FIELD_MASK_REACHABLE:
			out.Reachable = full.Reachable
		case pb.FieldMask_FIELD_MASK_AVAILABLE:
			out.Available = full.Available
		case pb.FieldMask_FIELD_MASK_MOOD:
			out.StatusMessage = full.StatusMessage
		case pb.FieldMask_FIELD_MASK_DEVICE:
			out.DeviceStatus = full.DeviceStatus
		case pb.FieldMask_FIELD_MASK_LAST_SEEN:
			out.LastSeen = full.LastSeen
		}
	}
	return out
}

// setPresence: protocol §8.7.
func (c *call) setPresence(req *pb.SetPresenceRequest) (*pb.SetPresenceResponse, error) {
	p := c.person.clone()
	if set := req.GetPresenceStateSetting(); set != nil {
		c.s.ephemeral(p.GaiaID).presenceType = set.GetType()
	}
	if set := req.GetDndSetting(); set != nil {
		p.DoNotDisturbUS = 0
		if set.GetDoNotDisturb() {
			p.DoNotDisturbUS = c.s.nowLocked() + min(set.GetTimeoutSecs(), maxTimeoutSecs)*uint64(time.Second/time.Microsecond)
		}
	}
	if set := req.GetDesktopOffSetting(); set != nil {
		p.DesktopOff = set.GetDesktopOff()
	}
	if set := req.GetStatusMessageSetting(); set != nil {
		p.StatusMessage = ""
		for _, spec := range set.GetStatusMessage() {
			p.StatusMessage += plainText(&pb.ChatMessage{MessageContent: &pb.MessageContent{Segment: spec.GetSegment()}})
		}
	}
	if err := c.s.commitLocked(op{Person: p}); err != nil {
		return nil, err
	}
	c.s.pushSelfPresenceLocked(p.GaiaID, nil)
	c.s.presenceLocked(p)
	return &pb.SetPresenceResponse{}, nil
}

// setActiveClient: protocol §8.8.
func (c *call) setActiveClient(req *pb.SetActiveClientRequest) (*pb.SetActiveClientResponse, error) {
	client := c.clientID
	if client == "" {
		_, client, _ = strings.Cut(req.GetFullJid(), "/")
	}
	if client == "" {
		return nil, errInvalidRequest("Client identifier is required")
	}
	e := c.s.ephemeral(c.person.GaiaID)
	switch {
	case req.GetIsActive():
		e.activeClient = client
		e.activeUntil = c.s.clock().Add(c.s.clockOffset).Add(time.Duration(min(req.GetTimeoutSecs(), maxTimeoutSecs)) * time.Second)
	case e.activeClient == client:
		e.activeClient = ""
	}
	return &pb.SetActiveClientResponse{}, nil
}

// sendOffnetworkInvitation: protocol §8.26; the address is kept for inspection.
func (c *call) sendOffnetworkInvitation(req *pb.SendOffnetworkInvitationRequest) (*pb.SendOffnetworkInvitationResponse, error) {
	if req.GetInviteeAddress().GetEmail() == "" {
		return nil, errInvalidRequest("Invitee address is required")
	}
	if err := c.s.commitLocked(op{Invitation: req.GetInviteeAddress().GetEmail()}); err != nil {
		return nil, err
	}
	return &pb.SendOffnetworkInvitationResponse{}, nil
}
