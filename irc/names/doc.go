// Package names gives people nicks and conversations channel names: derived from what
// they are called, unique inside an account, stored for good, and following renames.
//
// A name is unique by its key, which ignores case, accents and look-alike letters, so
// that nobody can pass for somebody else. A suffix that tells namesakes apart depends
// only on the id, so it is the same again after a loss of the database.
package names
