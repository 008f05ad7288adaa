package hangouts

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// DefaultDeliveryMedium returns a copy of the medium for new events of a conversation (protocol §11.6):
// the first option, replaced by the last that is marked as default; without options BABEL.
func DefaultDeliveryMedium(c *pb.Conversation) *pb.DeliveryMedium {
	options := c.GetSelfConversationState().GetDeliveryMediumOption()
	if len(options) == 0 {
		return &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL.Enum()}
	}
	medium := options[0].GetDeliveryMedium()
	for _, option := range options {
		if option.GetCurrentDefault() {
			medium = option.GetDeliveryMedium()
		}
	}
	return proto.Clone(medium).(*pb.DeliveryMedium)
}
