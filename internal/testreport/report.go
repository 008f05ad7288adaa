// Package testreport reads what `go test -json` writes, prints it as plain `go test` would, and keeps which tests ran
// and how they ended, so that a later step can ask whether a named test is proof of anything.
package testreport

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Status is how a test ended.
type Status string

// The three ends of a test.
const (
	Passed  Status = "pass"
	Failed  Status = "fail"
	Skipped Status = "skip"
)

// Result is one finished test or subtest. A package that failed without a failing test (it did not build, its TestMain
// failed, the process died) has one Result whose Test is empty.
type Result struct {
	Package string  `json:"package"` // path inside the module, "." for its root
	Test    string  `json:"test"`    // TestName or TestName/sub
	Status  Status  `json:"status"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason,omitempty"` // why it was skipped
}

// Name is the form in which documents name a test: "hangouts/channel.TestX/sub".
func (r Result) Name() string {
	if r.Test == "" {
		return r.Package
	}
	return r.Package + "." + r.Test
}

// Report is what one or more runs of `go test` gave.
type Report struct {
	Results []Result `json:"results"`
}

// Find returns the result of a test by its Name. When it ran more than once, a failure outweighs a skip, and a skip
// outweighs a pass.
func (r *Report) Find(name string) (Result, bool) {
	var found Result
	ok := false
	for _, res := range r.Results {
		if res.Name() == name && (!ok || weight(res.Status) > weight(found.Status)) {
			found, ok = res, true
		}
	}
	return found, ok
}

func weight(s Status) int {
	return slices.Index([]Status{Passed, Skipped, Failed}, s)
}

// Counts are the numbers of the closing line. A test with subtests is represented by these, unless it failed or was
// skipped on its own.
type Counts struct{ Passed, Failed, Skipped int }

// String is the closing line.
func (c Counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.Passed, c.Failed, c.Skipped)
}

// Count counts the results.
func (r *Report) Count() Counts {
	failing, parents := map[string]bool{}, map[string]bool{}
	for _, res := range r.Results {
		for cut := strings.LastIndexByte(res.Test, '/'); cut > 0; cut = strings.LastIndexByte(res.Test[:cut], '/') {
			parent := res.Package + "." + res.Test[:cut]
			parents[parent] = true
			failing[parent] = failing[parent] || res.Status == Failed
		}
	}
	var c Counts
	for _, res := range r.Results {
		parent := parents[res.Name()]
		switch {
		case res.Status == Failed && !(parent && failing[res.Name()]):
			c.Failed++
		case res.Status == Skipped:
			c.Skipped++
		case res.Status == Passed && !parent:
			c.Passed++
		}
	}
	return c
}

// Skips returns the skipped tests.
func (r *Report) Skips() []Result {
	var skipped []Result
	for _, res := range r.Results {
		if res.Status == Skipped {
			skipped = append(skipped, res)
		}
	}
	return skipped
}

// Save writes the report as JSON, making the folder when it is missing.
func (r *Report) Save(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encode test results: %w", err)
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder for test results: %w", err)
	}
	if err = os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write test results: %w", err)
	}
	return nil
}

// Load reads what Save wrote.
func Load(path string) (*Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read test results: %w", err)
	}
	r := &Report{}
	if err = json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("decode test results %s: %w", path, err)
	}
	return r, nil
}
