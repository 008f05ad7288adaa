// Package hangoutspb is the protobuf schema of the Hangouts chat protocol and the
// Go code generated from it (protocol §7).
//
// The schema is proto2: scalar fields are pointers, because a present false or 0
// differs from an absent field. Read with the getters, which return the default for an
// absent field, and write with [google.golang.org/protobuf/proto.String] and its kin.
// The notification of a [StateUpdate] is a oneof: switch over the type of
// GetStateUpdate(), or call the getters, of which at most one is not nil.
// Times are microseconds since 1970-01-01 UTC.
//
// Enums are closed: decoding an unknown number leaves the field unset and keeps the
// number among the unknown fields. [Segment].type is the only required field; always
// set it, and decode what the server sends with AllowPartial.
//
// What other clients know beyond the reference schema (protocol §8.28, §13.2, §18) is
// marked as an addition in hangouts.proto and listed in testdata/additions.csv.
package hangoutspb

// Generating needs protoc and, in the version of go.mod, protoc-gen-go in the search path
// (go install google.golang.org/protobuf/cmd/protoc-gen-go); building needs neither.
//
//go:generate protoc --proto_path=../.. --go_out=../.. --go_opt=paths=source_relative hangouts/hangoutspb/hangouts.proto
