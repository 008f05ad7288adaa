package classic

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// People implements account.Connection (protocol §8.3).
func (c *connection) People(ctx context.Context, ids []chat.PersonID) ([]chat.Person, error) {
	specs := make([]*pb.EntityLookupSpec, len(ids))
	for i, id := range ids {
		specs[i] = &pb.EntityLookupSpec{CreateOffnetworkGaia: proto.Bool(true)}
		if phone, ok := id.Phone(); ok {
			specs[i].Phone = proto.String(phone)
		} else {
			specs[i].GaiaId = proto.String(string(id))
		}
	}
	return c.lookUp(ctx, specs...)
}

// FindPeople implements account.Connection. The entity of somebody whose address or number the
// service does not want to resolve is blank.
func (c *connection) FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error) {
	switch {
	case query.Email != "":
		return named(c.lookUp(ctx, &pb.EntityLookupSpec{Email: proto.String(query.Email)}))
	case query.Phone != "":
		return named(c.lookUp(ctx, &pb.EntityLookupSpec{Phone: proto.String(query.Phone), CreateOffnetworkGaia: proto.Bool(true)}))
	}
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.SearchEntitiesResponse, error) {
		return client.SearchEntities(ctx, &pb.SearchEntitiesRequest{Query: proto.String(query.Name), MaxCount: proto.Uint64(uint64(limit))})
	})
	return named(c.peopleOf(answer.GetEntity()), err)
}

// named leaves out those of whom nothing is known.
func named(people []chat.Person, err error) (list []chat.Person, _ error) {
	for _, p := range people {
		if p.NameKind() != chat.NameUnknown || len(p.Emails)+len(p.Phones) > 0 {
			list = append(list, p)
		}
	}
	return list, err
}

func (c *connection) lookUp(ctx context.Context, specs ...*pb.EntityLookupSpec) ([]chat.Person, error) {
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.GetEntityByIdResponse, error) {
		return client.GetEntityByID(ctx, &pb.GetEntityByIdRequest{BatchLookupSpec: specs})
	})
	if err != nil {
		return nil, err
	}
	var entities []*pb.Entity
	for _, result := range answer.GetEntityResult() {
		entities = append(entities, result.GetEntity()...)
	}
	return c.peopleOf(entities), nil
}

// peopleOf are the people of entities; those without an id of a person are left out.
func (c *connection) peopleOf(entities []*pb.Entity) []chat.Person {
	var update account.Update
	for _, entity := range entities {
		if p := person(entity); p.ID != "" {
			update.People = append(update.People, p)
		}
	}
	c.learn(&update)
	return update.People
}

// invitees are people as a request names them. One who is only known by a telephone number needs an
// id; looking the number up assigns one (protocol §11.6).
func (c *connection) invitees(ctx context.Context, people []chat.PersonID) (list []*pb.InviteeID, err error) {
	for _, id := range people {
		if phone, ok := id.Phone(); ok {
			found, err := c.FindPeople(ctx, chat.PeopleQuery{Phone: phone}, 1)
			switch {
			case errors.Is(err, account.ErrAmbiguous):
				return nil, fmt.Errorf("%w: look a telephone number up: %w", chat.ErrUnavailable, err)
			case err != nil:
				return nil, err
			case len(found) == 0:
				return nil, fmt.Errorf("%w: nobody has this telephone number", chat.ErrRefused)
			}
			id = found[0].ID
		}
		list = append(list, &pb.InviteeID{GaiaId: proto.String(string(id))})
	}
	return list, nil
}
