package pblite_test

import (
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

type vectors struct {
	Decode []struct {
		ID, Message, Why string
		InputJSON        string `json:"input_json"`
		IgnoreFirst      bool   `json:"ignore_first_item"`
		Expected         struct {
			JSON            json.RawMessage
			WireHex         string `json:"wire_hex"`
			Warnings        int
			Error           string
			MissingRequired []string `json:"missing_required"`
			Oneof           *string
		}
	} `json:"pblite_decode"`
	Encode []struct {
		ID, Message, Why string
		WireHex          string `json:"message_wire_hex"`
		LeadingTag       string `json:"leading_tag"`
		PbliteJSON       string `json:"pblite_json"`
	} `json:"pblite_encode"`
}

func loadVectors(t testing.TB) vectors {
	raw, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(raw, &v))
	require.Len(t, v.Decode, 75)
	require.Len(t, v.Encode, 9)
	return v
}

// additions names the fields that the reference schema lacks.
func additions(t *testing.T) map[protoreflect.FullName]bool {
	f, err := os.Open("../hangoutspb/testdata/additions.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	names := map[protoreflect.FullName]bool{}
	for _, r := range rows {
		if r[0] == "field" {
			names[protoreflect.FullName("hangouts."+r[1]+"."+r[2])] = true
		}
	}
	return names
}

// normalise clears added fields, and embedded messages that are present but empty: in the
// two cases that have one the vectors ask to treat it like an absent one.
func normalise(m protoreflect.Message, drop map[protoreflect.FullName]bool) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case drop[fd.FullName()]:
			m.Clear(fd)
		case fd.Message() != nil && fd.IsList():
			for i := range v.List().Len() {
				normalise(v.List().Get(i).Message(), drop)
			}
		case fd.Message() != nil:
			normalise(v.Message(), drop)
			if proto.Size(v.Message().Interface()) == 0 {
				m.Clear(fd)
			}
		}
		return true
	})
}

func TestDecodeVectors(t *testing.T) {
	// Cases in which this package differs on purpose (package comment); the value is what
	// it gives as JSON.
	differs := map[string]string{
		"repeated-string-from-string": `{}`,
		"repeated-message-number":     `{}`,
		"dict-bad-key":                `{"test_int":1}`,
		"string-lone-surrogate":       "{\"test_string\":\"a\ufffd\"}",
	}
	drop := additions(t)
	for _, c := range loadVectors(t).Decode {
		t.Run(c.ID, func(t *testing.T) {
			mode := pblite.NoTag
			if c.IgnoreFirst {
				mode = pblite.SkipTag
			}
			got, want := newMessage(t, c.Message), newMessage(t, c.Message)
			warnings, err := pblite.UnmarshalOptions{Tag: mode}.Unmarshal([]byte(c.InputJSON), got)
			require.NoError(t, err)
			if text, ok := differs[c.ID]; ok {
				require.NoError(t, protojson.Unmarshal([]byte(text), want))
				require.Equal(t, 1, warnings.Count, "%s", warnings)
			} else {
				raw, err := hex.DecodeString(c.Expected.WireHex)
				require.NoError(t, err)
				require.NoError(t, proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(raw, want))
				fromJSON := newMessage(t, c.Message)
				require.NoError(t, protojson.UnmarshalOptions{AllowPartial: true}.Unmarshal(c.Expected.JSON, fromJSON))
				require.True(t, proto.Equal(want, fromJSON), "the vector contradicts itself")
				require.Equal(t, c.Expected.Warnings, warnings.Count, "%s", warnings)
			}
			require.Empty(t, got.ProtoReflect().GetUnknown())
			normalise(got.ProtoReflect(), drop)
			normalise(want.ProtoReflect(), drop)
			if !proto.Equal(want, got) {
				t.Fatalf("%s\nwant %v\ngot  %v", c.Why, want, got)
			}
			if len(c.Expected.MissingRequired) > 0 {
				require.Error(t, proto.CheckInitialized(got))
			}
			if c.Expected.Oneof != nil {
				checkOneof(t, got.ProtoReflect(), *c.Expected.Oneof)
			}
		})
	}
}

func checkOneof(t *testing.T, m protoreflect.Message, want string) {
	t.Helper()
	oneof := m.Descriptor().Oneofs().Get(0)
	have := m.WhichOneof(oneof)
	if want == "" {
		require.Nil(t, have)
		return
	}
	require.NotNil(t, have)
	require.Equal(t, want, string(have.Name()))
}

func TestEncodeVectors(t *testing.T) {
	for _, c := range loadVectors(t).Encode {
		t.Run(c.ID, func(t *testing.T) {
			m := newMessage(t, c.Message)
			raw, err := hex.DecodeString(c.WireHex)
			require.NoError(t, err)
			require.NoError(t, proto.Unmarshal(raw, m))
			got, err := pblite.MarshalOptions{Tag: c.LeadingTag}.Marshal(m)
			require.NoError(t, err)
			require.Equal(t, c.PbliteJSON, string(got), c.Why)
		})
	}
}
