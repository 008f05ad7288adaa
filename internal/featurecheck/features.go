// Package featurecheck reads the table of docs/features.md and compares it with the tests that ran: a row that says
// done must name tests that exist, ran and passed.
package featurecheck

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testreport"
)

// State is how far a feature is.
type State string

// The states of a row.
const (
	Done   State = "done"
	Partly State = "partly"
	Open   State = "open"
)

// Row is one feature of the table.
type Row struct {
	ID, What string
	State    State
	Proof    []string // names of tests, "hangouts/channel.TestX" or "hangouts/channel.TestX/sub"
	Without  string   // what these tests report when the feature is taken out
	Line     int      // line in the document, from 1
}

// areas are the letters of the ids with the number of their last row.
var areas = []struct {
	letter string
	last   int
}{{"A", 46}, {"B", 41}, {"C", 22}, {"D", 15}, {"E", 1}}

var (
	idPattern    = regexp.MustCompile(`^[A-Z][0-9]{2}$`)
	proofPattern = regexp.MustCompile("`([^`]+)`")
	testPattern  = regexp.MustCompile(`^(\.|[a-z0-9_/-]+)\.(Test|Fuzz|Example)\w*(/\S+)?$`)
)

// Parse reads the rows of all tables in a Markdown document. Rows whose first cell is not an id are headings.
func Parse(document string) ([]Row, error) {
	var rows []Row
	number := 0
	for line := range strings.Lines(document) {
		number++
		cells := splitCells(line)
		if len(cells) == 0 || !idPattern.MatchString(cells[0]) {
			continue
		}
		if len(cells) != 5 {
			return nil, fmt.Errorf("line %d: row %s has %d columns, want 5: id, what, state, proof, without", number, cells[0], len(cells))
		}
		row := Row{ID: cells[0], What: cells[1], State: State(cells[2]), Without: cells[4], Line: number}
		for _, match := range proofPattern.FindAllStringSubmatch(cells[3], -1) {
			row.Proof = append(row.Proof, match[1])
		}
		if len(row.Proof) == 0 && cells[3] != "" {
			return nil, fmt.Errorf("line %d: the proof of %s must be names of tests in backquotes", number, row.ID)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// splitCells cuts a table row at its unescaped bars. A line that is no table row gives nil.
func splitCells(line string) []string {
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != '|' || line[len(line)-1] != '|' {
		return nil
	}
	var cells []string
	var cell strings.Builder
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == '|':
			cell.WriteByte('|')
			i++
		case line[i] == '|':
			cells = append(cells, strings.TrimSpace(cell.String()))
			cell.Reset()
		default:
			cell.WriteByte(line[i])
		}
	}
	return cells
}

// Finding is what Check has to say.
type Finding struct {
	Errors  []string // each fails the run
	Skipped []string // proofs that were skipped where that is allowed
}

// Check compares the rows with a report of all tests. With strict, as in continuous integration, a proof that was
// skipped is an error.
func Check(rows []Row, report *testreport.Report, strict bool) Finding {
	var f Finding
	f.Errors = append(f.Errors, checkIDs(rows)...)
	for _, row := range rows {
		f.Errors = append(f.Errors, checkForm(row)...)
		for _, name := range row.Proof {
			res, ran := report.Find(name)
			switch {
			case !testPattern.MatchString(name):
				f.errorf("%s names %q, which is not the name of a test (package/path.TestName)", row.ID, name)
			case !ran:
				f.errorf("%s names %s, which does not exist or did not run", row.ID, name)
			case res.Status == testreport.Failed:
				f.errorf("%s names %s, which failed", row.ID, name)
			case res.Status == testreport.Skipped && strict && row.State == Done:
				f.errorf("%s names %s, which was skipped: %s", row.ID, name, res.Reason)
			case res.Status == testreport.Skipped:
				f.Skipped = append(f.Skipped, fmt.Sprintf("%s: %s: %s", row.ID, name, res.Reason))
			}
		}
	}
	return f
}

// CheckFile reads the document and checks it.
func CheckFile(path string, report *testreport.Report, strict bool) (Finding, error) {
	document, err := os.ReadFile(path)
	if err != nil {
		return Finding{}, fmt.Errorf("read feature table: %w", err)
	}
	rows, err := Parse(string(document))
	if err != nil {
		return Finding{}, fmt.Errorf("%s: %w", path, err)
	}
	return Check(rows, report, strict), nil
}

// checkIDs demands every id once, and no other.
func checkIDs(rows []Row) (errs []string) {
	var want []string
	for _, area := range areas {
		for n := 1; n <= area.last; n++ {
			want = append(want, fmt.Sprintf("%s%02d", area.letter, n))
		}
	}
	seen := map[string]int{}
	for _, row := range rows {
		if !slices.Contains(want, row.ID) {
			errs = append(errs, fmt.Sprintf("%s is not an id of the feature list", row.ID))
		}
		if seen[row.ID]++; seen[row.ID] == 2 {
			errs = append(errs, row.ID+" stands more than once")
		}
	}
	for _, id := range want {
		if seen[id] == 0 {
			errs = append(errs, id+" is missing")
		}
	}
	return errs
}

func checkForm(row Row) (errs []string) {
	if row.What == "" {
		errs = append(errs, row.ID+" does not say what it is")
	}
	switch row.State {
	case Open, Partly:
	case Done:
		if len(row.Proof) == 0 {
			errs = append(errs, row.ID+" is done but names no test")
		}
		if row.Without == "" {
			errs = append(errs, row.ID+" is done but does not say what its test reports when the feature is taken out")
		}
	default:
		errs = append(errs, fmt.Sprintf("%s has the state %q, want done, partly or open", row.ID, row.State))
	}
	return errs
}

func (f *Finding) errorf(format string, args ...any) {
	f.Errors = append(f.Errors, fmt.Sprintf(format, args...))
}
