package featurecheck

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testreport"
)

// table returns a complete document in which A01 is replaced by row, or left out when row is empty.
func table(row string) string {
	var b strings.Builder
	b.WriteString("# Features\n\n| id | what | state | proof | without |\n|---|---|---|---|---|\n")
	for _, area := range areas {
		for n := 1; n <= area.last; n++ {
			id := fmt.Sprintf("%s%02d", area.letter, n)
			switch {
			case id != "A01":
				fmt.Fprintf(&b, "| %s | something | open | | |\n", id)
			case row != "":
				b.WriteString(row + "\n")
			}
		}
	}
	return b.String()
}

var ran = &testreport.Report{Results: []testreport.Result{
	{Package: "hangouts", Test: "TestGood", Status: testreport.Passed},
	{Package: "hangouts", Test: "TestGood/sub_test", Status: testreport.Passed},
	{Package: "hangouts", Test: "TestBad", Status: testreport.Failed},
	{Package: "e2e/irc", Test: "TestPeer", Status: testreport.Skipped, Reason: "irssi is missing"},
}}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name, row string
		strict    bool
		errors    []string // fragments, one for each expected error, in order
		skipped   int
	}{
		{name: "open", row: "| A01 | login | open | | |"},
		{name: "done", row: "| A01 | a \\| b | done | `hangouts.TestGood`, `hangouts.TestGood/sub_test` | no token |", strict: true},
		{name: "missing row", row: "", errors: []string{"A01 is missing"}},
		{name: "double row", row: "| A01 | x | open | | |\n| A01 | x | open | | |", errors: []string{"A01 stands more than once"}},
		{name: "unknown row", row: "| A01 | x | open | | |\n| A99 | x | open | | |", errors: []string{"A99 is not an id"}},
		{name: "no text", row: "| A01 | | open | | |", errors: []string{"does not say what it is"}},
		{name: "bad state", row: "| A01 | x | ready | | |", errors: []string{`state "ready"`}},
		{name: "done without proof", row: "| A01 | x | done | | broken |", errors: []string{"names no test"}},
		{name: "done without counter-proof", row: "| A01 | x | done | `hangouts.TestGood` | |", errors: []string{"taken out"}},
		{name: "no such test", row: "| A01 | x | done | `hangouts.TestNone` | y |", errors: []string{"does not exist or did not run"}},
		{name: "no such test in a partly row", row: "| A01 | x | partly | `hangouts.TestNone` | |", errors: []string{"does not exist or did not run"}},
		{name: "failed", row: "| A01 | x | done | `hangouts.TestBad` | y |", errors: []string{"failed"}},
		{name: "not a test", row: "| A01 | x | done | `the suite` | y |", errors: []string{"not the name of a test"}},
		{name: "skipped on a laptop", row: "| A01 | x | done | `e2e/irc.TestPeer` | y |", skipped: 1},
		{name: "skipped in CI", row: "| A01 | x | done | `e2e/irc.TestPeer` | y |", strict: true, errors: []string{"was skipped: irssi is missing"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rows, err := Parse(table(tc.row))
			require.NoError(t, err)
			f := Check(rows, ran, tc.strict)
			require.Len(t, f.Errors, len(tc.errors), "%v", f.Errors)
			for i, fragment := range tc.errors {
				require.Contains(t, f.Errors[i], fragment)
			}
			require.Len(t, f.Skipped, tc.skipped)
		})
	}
}

func TestParseRefusesBrokenRows(t *testing.T) {
	_, err := Parse("| A01 | x | open | |")
	require.ErrorContains(t, err, "line 1: row A01 has 4 columns")
	_, err = Parse("\n| A01 | x | done | TestX | y |")
	require.ErrorContains(t, err, "line 2: the proof of A01")
}

// The project's own table is readable and complete; its proofs are checked by the test run.
func TestOwnTable(t *testing.T) {
	document, err := os.ReadFile("../../docs/features.md")
	require.NoError(t, err)
	rows, err := Parse(string(document))
	require.NoError(t, err)
	require.Empty(t, checkIDs(rows))
	for _, row := range rows {
		require.Empty(t, checkForm(row))
	}
}
