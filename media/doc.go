// Package media holds the files that go through the bridge: on disk, never whole in memory, with
// what their bytes say of their type and size. It knows neither networks nor sides.
package media
