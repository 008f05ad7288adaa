package chat

// Features says what the network behind a conversation can do, so that the sides offer
// nothing that it refuses.
type Features struct {
	Bold       bool  `json:"bold"`
	Italic     bool  `json:"italic"`
	Strike     bool  `json:"strike"`
	Underline  bool  `json:"underline"`
	Links      bool  `json:"links"`
	Emotes     bool  `json:"emotes"`
	Photos     bool  `json:"photos"`
	Typing     bool  `json:"typing"`
	Watermarks bool  `json:"watermarks"`
	Rename     bool  `json:"rename"`
	Members    bool  `json:"members"` // people can be added and removed
	Edits      bool  `json:"edits"`
	Deletions  bool  `json:"deletions"`
	Reactions  bool  `json:"reactions"`
	MaxText    int   `json:"max_text"`  // bytes of UTF-8 in one message
	MaxMedia   int64 `json:"max_media"` // bytes
}
