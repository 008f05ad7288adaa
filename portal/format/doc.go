// Package format turns the rich text of package chat into the content of Matrix messages and back.
// It does no I/O: whom a mention means is looked up by its caller ([Names]).
package format
