package pblite

// DecodeBase64 is for the test oracle.
var DecodeBase64 = decodeBase64
