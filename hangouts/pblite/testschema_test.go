package pblite_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// testSchema holds TestMessage of the vectors and KindsMessage with every other kind.
const testSchema = `
name: "test.proto" syntax: "proto2"
message_type {
  name: "TestMessage"
  field { name: "test_int" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 }
  field { name: "test_repeated_int" number: 2 label: LABEL_REPEATED type: TYPE_INT32 }
  field { name: "test_string" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "test_repeated_string" number: 4 label: LABEL_REPEATED type: TYPE_STRING }
  field { name: "test_enum" number: 5 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".TestMessage.TestEnum" }
  field { name: "test_repeated_enum" number: 6 label: LABEL_REPEATED type: TYPE_ENUM type_name: ".TestMessage.TestEnum" }
  field { name: "test_embedded_message" number: 7 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".TestMessage.EmbeddedMessage" }
  field { name: "test_repeated_embedded_message" number: 8 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".TestMessage.EmbeddedMessage" }
  field { name: "test_bytes" number: 9 label: LABEL_OPTIONAL type: TYPE_BYTES }
  field { name: "test_repeated_bytes" number: 10 label: LABEL_REPEATED type: TYPE_BYTES }
  nested_type { name: "EmbeddedMessage" field { name: "test_embedded_int" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 } }
  enum_type { name: "TestEnum" value { name: "TEST_0" number: 0 } value { name: "TEST_1" number: 1 } value { name: "TEST_2" number: 2 } value { name: "TEST_3" number: 3 } }
}
message_type {
  name: "KindsMessage"
  field { name: "f_double" number: 1 label: LABEL_OPTIONAL type: TYPE_DOUBLE }
  field { name: "f_float" number: 2 label: LABEL_OPTIONAL type: TYPE_FLOAT }
  field { name: "f_int64" number: 3 label: LABEL_OPTIONAL type: TYPE_INT64 }
  field { name: "f_uint64" number: 4 label: LABEL_OPTIONAL type: TYPE_UINT64 }
  field { name: "f_sint32" number: 5 label: LABEL_OPTIONAL type: TYPE_SINT32 }
  field { name: "f_sint64" number: 6 label: LABEL_OPTIONAL type: TYPE_SINT64 }
  field { name: "f_fixed32" number: 7 label: LABEL_OPTIONAL type: TYPE_FIXED32 }
  field { name: "f_fixed64" number: 8 label: LABEL_OPTIONAL type: TYPE_FIXED64 }
  field { name: "f_sfixed32" number: 9 label: LABEL_OPTIONAL type: TYPE_SFIXED32 }
  field { name: "f_sfixed64" number: 10 label: LABEL_OPTIONAL type: TYPE_SFIXED64 }
  field { name: "f_uint32" number: 11 label: LABEL_OPTIONAL type: TYPE_UINT32 }
  field { name: "f_bool" number: 12 label: LABEL_OPTIONAL type: TYPE_BOOL }
  field { name: "one" number: 13 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".KindsMessage" oneof_index: 0 }
  field { name: "other" number: 14 label: LABEL_OPTIONAL type: TYPE_INT64 oneof_index: 0 }
  field { name: "high" number: 1000000 label: LABEL_REPEATED type: TYPE_UINT64 }
  oneof_decl { name: "choice" }
}`

var testFile = func() protoreflect.FileDescriptor {
	var fd descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(testSchema), &fd); err != nil {
		panic(err)
	}
	file, err := protodesc.NewFile(&fd, nil)
	if err != nil {
		panic(err)
	}
	return file
}()

// newMessage makes an empty message of a type of the test schema or of Hangouts.
func newMessage(t testing.TB, name string) proto.Message {
	t.Helper()
	if md := testFile.Messages().ByName(protoreflect.Name(name)); md != nil {
		return dynamicpb.NewMessage(md)
	}
	file := hangoutspb.File_hangouts_hangoutspb_hangouts_proto
	var find func(protoreflect.MessageDescriptors) protoreflect.MessageDescriptor
	find = func(ms protoreflect.MessageDescriptors) protoreflect.MessageDescriptor {
		for i := range ms.Len() {
			if string(ms.Get(i).FullName()) == "hangouts."+name {
				return ms.Get(i)
			}
			if md := find(ms.Get(i).Messages()); md != nil {
				return md
			}
		}
		return nil
	}
	md := find(file.Messages())
	require.NotNil(t, md, name)
	return dynamicpb.NewMessage(md)
}
