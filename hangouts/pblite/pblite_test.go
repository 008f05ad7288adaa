package pblite_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

func TestDecodeRules(t *testing.T) {
	nulls := func(n int) string { return strings.Repeat("null,", n) }
	tests := []struct {
		name, message, input, want string
		warnings                   int
	}{
		{"elided elements", "TestMessage", `[1,,"a",,,,[2],]`, `{"test_int":1,"test_string":"a","test_embedded_message":{"test_embedded_int":2}}`, 0},
		{"elided first", "TestMessage", `[ ,[1]]`, `{"test_repeated_int":[1]}`, 0},
		{"elided in a repeated scalar", "TestMessage", `[null,[1,,2]]`, `{}`, 1},
		{"elided in a repeated message", "TestMessage", `[` + nulls(7) + `[[1],,[2]]]`, `{"test_repeated_embedded_message":[{"test_embedded_int":1},{},{"test_embedded_int":2}]}`, 1},
		{"elided inside an unknown field", "TestMessage", `[` + nulls(20) + `[,[,],{"a":[,]}]]`, `{}`, 0},
		{"object before a final comma is not last", "TestMessage", `[null,{"1":4},]`, `{}`, 1},
		{"white space", "TestMessage", " [ 1 , [ 2 , 3 ] , \n\t{ \"3\" : \"x\" } ]\r\n", `{"test_int":1,"test_repeated_int":[2,3],"test_string":"x"}`, 0},
		{"decimal string for an integer", "KindsMessage", `[null,null,"-9223372036854775808","18446744073709551615"]`, `{"f_int64":"-9223372036854775808","f_uint64":"18446744073709551615"}`, 0},
		{"no decimal string for double and bool", "KindsMessage", `["1",` + nulls(10) + `"1"]`, `{}`, 2},
		{"string with sign only", "KindsMessage", `[null,null,"-","+1"]`, `{}`, 2},
		{"every kind", "KindsMessage", `[-0.5,1.5,-3,4,-5,-6,7,8,-9,-10,11,1]`, `{"f_double":-0.5,"f_float":1.5,"f_int64":-3,"f_uint64":4,"f_sint32":-5,"f_sint64":-6,"f_fixed32":7,"f_fixed64":8,"f_sfixed32":-9,"f_sfixed64":-10,"f_uint32":11,"f_bool":true}`, 0},
		{"out of range", "KindsMessage", `[1e999,null,9223372036854775808,18446744073709551616,2147483648,null,4294967296,-1,-2147483649,null,-1]`, `{}`, 8},
		{"negative zero", "KindsMessage", `[null,null,-0,-0]`, `{"f_int64":"0","f_uint64":"0"}`, 0},
		{"integers for a double", "KindsMessage", `[12345678901234567890]`, `{"f_double":12345678901234567000}`, 0},
		{"huge integer is true", "KindsMessage", `[` + nulls(11) + `99999999999999999999999]`, `{"f_bool":true}`, 0},
		{"null inside a repeated scalar", "TestMessage", `[null,[1,null]]`, `{}`, 1},
		{"array for a scalar", "TestMessage", `[[1],null,{"3":1}]`, `{}`, 2},
		{"bad repeated in the object empties the positions too", "TestMessage", `[5,[1,2],{"2":[3,"x"],"3":"kept"}]`, `{"test_int":5,"test_string":"kept"}`, 1},
		{"bad scalar in the object keeps the position", "TestMessage", `[5,{"1":"x"}]`, `{"test_int":5}`, 1},
		{"message given both ways is merged", "KindsMessage", `[` + nulls(12) + `[1.5],{"13":[null,2.5]}]`, `{"one":{"f_double":1.5,"f_float":2.5}}`, 0},
		{"last member of a oneof", "KindsMessage", `[` + nulls(12) + `[1.5],7]`, `{"other":"7"}`, 0},
		{"bad last member does not clear the oneof", "KindsMessage", `[` + nulls(12) + `[1.5],"x"]`, `{"one":{"f_double":1.5}}`, 1},
		{"high repeated field", "KindsMessage", `[{"1000000":[1,18446744073709551615]}]`, `{"high":["1","18446744073709551615"]}`, 0},
		{"unknown numbers", "KindsMessage", `[{"99":[1],"536870911":{"a":"b"}}]`, `{}`, 0},
		{"keys that are no numbers", "TestMessage", `[{"":1,"-1":1,"536870912":1,"1.0":1,"1":4}]`, `{"test_int":4}`, 4},
		{"raw byte that is not UTF-8", "TestMessage", "[null,null,\"a\xffb\"]", "{\"test_string\":\"a\ufffdb\"}", 1},
		{"raw control character", "TestMessage", "[null,null,\"a\x01\nb\"]", `{"test_string":"a\u0001\nb"}`, 0},
		{"escapes", "TestMessage", `[null,null,"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83dx"]`, "{\"test_string\":\"\\\"\\\\/\\b\\f\\n\\r\\té😀\ufffdx\"}", 1},
		{"base64 ends at its padding", "TestMessage", `[` + nulls(8) + `"A A\nE=C"]`, `{"test_bytes":"AAE="}`, 0},
		{"base64 with stray characters", "TestMessage", `[` + nulls(8) + `"A A\nE C"]`, `{"test_bytes":"AAEC"}`, 0},
		{"base64 behind the padding", "TestMessage", `[` + nulls(8) + `"AA==AAAA"]`, `{"test_bytes":"AA=="}`, 0},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got, want := newMessage(t, c.message), newMessage(t, c.message)
			warnings, err := pblite.Unmarshal([]byte(c.input), got)
			require.NoError(t, err)
			require.NoError(t, protojson.Unmarshal([]byte(c.want), want))
			require.Equal(t, c.warnings, warnings.Count, "%s", warnings)
			require.True(t, proto.Equal(want, got), "want %v\ngot  %v", want, got)
		})
	}
}

func TestDecodeRefusesMalformedText(t *testing.T) {
	for _, input := range []string{
		``, ` `, `[`, `[1`, `[1,`, `[1 2]`, `[1]]`, `[1]x`, `{"1"}`, `{1:2}`, `[{"1":1,}]`, `["a`, `["\x"]`, `["\u12"]`,
		`["\`, `[-]`, `[01]`, `[1.]`, `[1e]`, `[.5]`, `[+1]`, `[nul]`, `[True]`, `[NaN]`, `["\ud83d\u12"]`, "\xef\xbb\xbf[]",
	} {
		t.Run(input, func(t *testing.T) {
			m := &pb.Segment{Text: proto.String("old")}
			_, err := pblite.Unmarshal([]byte(input), m)
			require.ErrorIs(t, err, pblite.ErrSyntax)
			require.True(t, proto.Equal(&pb.Segment{}, m), "an error must leave an empty message")
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	_, err := pblite.Unmarshal(deep(pblite.DefaultMaxDepth), &pb.Event{})
	require.NoError(t, err)
	_, err = pblite.Unmarshal(deep(pblite.DefaultMaxDepth+1), &pb.Event{})
	require.ErrorIs(t, err, pblite.ErrTooDeep)
	_, err = pblite.UnmarshalOptions{MaxDepth: 2}.Unmarshal(deep(3), &pb.Event{})
	require.ErrorIs(t, err, pblite.ErrTooDeep)

	_, err = pblite.UnmarshalOptions{MaxSize: 3}.Unmarshal([]byte(`[1]`), &pb.Segment{})
	require.NoError(t, err)
	_, err = pblite.UnmarshalOptions{MaxSize: 3}.Unmarshal([]byte(`[1] `), &pb.Segment{})
	require.ErrorIs(t, err, pblite.ErrTooLarge)

	many := []byte("[[" + strings.Repeat(`"x",`, 50_000) + `"x"]]`)
	warnings, err := pblite.Unmarshal(many, &pb.Conversation{})
	require.NoError(t, err)
	require.LessOrEqual(t, len(warnings.First), 8, "only a few warnings are kept in words")

	bad := []byte("[[" + strings.Repeat("1,", 999) + "1]]")
	warnings, err = pblite.Unmarshal(bad, &pb.BatchUpdate{})
	require.NoError(t, err)
	require.Equal(t, 1000, warnings.Count)
	require.Contains(t, warnings.String(), "hangouts.BatchUpdate.state_update")
	require.Contains(t, warnings.String(), "and 992 more")
}

func TestWarningsHoldNoValues(t *testing.T) {
	var m pb.Event
	warnings, err := pblite.Unmarshal([]byte(`["secret",{"3":"secret","secret":"secret"}]`), &m)
	require.NoError(t, err)
	require.Equal(t, 3, warnings.Count)
	require.NotContains(t, warnings.String(), "secret")
}

func TestTag(t *testing.T) {
	for _, c := range []struct {
		input, tag string
		ok         bool
	}{
		{` [ "cbu",[]]`, "cbu", true}, {`[]`, "", false}, {`null`, "", false}, {`[null]`, "", false},
		{`[["cbu"]]`, "", false}, {`["cb`, "", false}, {``, "", false}, {`[`, "", false},
	} {
		tag, ok := pblite.Tag([]byte(c.input))
		require.Equal(t, c.ok, ok, c.input)
		if ok {
			require.Equal(t, c.tag, tag)
		}
	}
}

func TestAutoTag(t *testing.T) {
	auto := pblite.UnmarshalOptions{Tag: pblite.AutoTag}
	for _, input := range []string{`["cgsirp",[1,,"","-6693",5]]`, `[[1,,"","-6693",5]]`} {
		var m pb.GetSelfInfoResponse
		warnings, err := auto.Unmarshal([]byte(input), &m)
		require.NoError(t, err)
		require.Zero(t, warnings.Count)
		require.Equal(t, pb.ResponseStatus_RESPONSE_STATUS_OK, m.GetResponseHeader().GetStatus(), input)
		require.EqualValues(t, 5, m.GetResponseHeader().GetCurrentServerTime())
	}
}

func TestMarshal(t *testing.T) {
	text := "a\"\\\n\x01é€😀\u2028"
	m := &pb.Segment{Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: &text}

	raw, err := pblite.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `[0,"a\"\\\n\u0001é€😀\u2028"]`, string(raw))

	ascii, err := pblite.MarshalOptions{ASCII: true}.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `[0,"a\"\\\n\u0001\u00e9\u20ac\ud83d\ude00\u2028"]`, string(ascii))
	require.False(t, bytes.ContainsFunc(ascii, func(r rune) bool { return r >= utf8.RuneSelf }))

	for _, data := range [][]byte{raw, ascii} {
		var back pb.Segment
		warnings, err := pblite.Unmarshal(data, &back)
		require.NoError(t, err)
		require.Zero(t, warnings.Count)
		require.True(t, proto.Equal(m, &back))
	}

	photo := &pb.EmbedItem{
		Type:      []pb.ItemType{pb.ItemType_ITEM_TYPE_PLUS_PHOTO, pb.ItemType_ITEM_TYPE_THING},
		PlusPhoto: &pb.PlusPhoto{AlbumId: proto.String("6")},
	}
	raw, err = pblite.Marshal(photo)
	require.NoError(t, err)
	require.Equal(t, `[[249,0],null,{"27639957":[null,null,"6"]}]`, string(raw))

	_, err = pblite.Marshal(&pb.EmbedItem_GeoCoordinates{Latitude: proto.Float64(math.NaN())})
	require.ErrorIs(t, err, pblite.ErrNotFinite)
}

func TestElements(t *testing.T) {
	list, err := pblite.Elements([]byte(" [\"cbu\" , [1,[2]],, {\"1\":[]} ,] "))
	require.NoError(t, err)
	require.Equal(t, []string{`"cbu"`, `[1,[2]]`, ``, `{"1":[]}`, ``}, texts(list))
	list, err = pblite.Elements([]byte(`[]`))
	require.NoError(t, err)
	require.Empty(t, list)
	for _, bad := range []string{``, `{}`, `1`, `[1`, `[1]]`, `[1 2]`, `["a]`, "[1]\x00"} {
		_, err := pblite.Elements([]byte(bad))
		require.ErrorIs(t, err, pblite.ErrSyntax, bad)
	}
	_, err = pblite.Elements([]byte(strings.Repeat("[", 200) + strings.Repeat("]", 200)))
	require.ErrorIs(t, err, pblite.ErrTooDeep)
}

func texts(list [][]byte) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, string(e))
	}
	return out
}
