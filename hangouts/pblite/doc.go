// Package pblite converts between pblite and protobuf messages (protocol §6).
//
// pblite writes a message as a JSON array: element i is the field with number i+1,
// unset fields are null, fields with high numbers stand in an object that ends the
// array, keyed by their number. Answers and pushes may start with a string that names
// the type ("cbu"); [Tag] reads it and [UnmarshalOptions].Tag skips it.
//
// Decoding is permissive. A value that does not fit its field is left out and counted in
// [Warnings]; only text that is not JSON, or passes a limit, is an error. The exact rules
// are those of protocol §6.2, with four differences: decimal strings are taken for
// integer fields; a lone surrogate or a byte that is not UTF-8 becomes U+FFFD and a
// warning; a string given for a repeated field is not split into characters; and what
// makes the reference raise (a number for a repeated message, an odd key in the trailing
// object) is a warning. Elements left out between commas count as null. Integers are
// exact over all 64 bits.
//
// The decoder is a cursor that rewrites pblite to the binary format in one pass, which
// [google.golang.org/protobuf/proto] then decodes, so merging and oneofs follow
// protobuf's own rules.
package pblite
