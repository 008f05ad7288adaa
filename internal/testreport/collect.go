package testreport

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // build-output and build-fail
	Test       string
	Output     string
	Elapsed    float64
}

// maxTestOutput bounds what is kept of one test's output until its end is known; the rest is cut with a mark.
const maxTestOutput = 1 << 20

// Collector turns the stream of `go test -json` into a Report and readable lines.
type Collector struct {
	// Module is the module path, taken off the names of packages.
	Module string
	// Out receives the lines that plain `go test` would print, and one line for each skipped test.
	Out io.Writer

	report  Report
	pending map[string]*strings.Builder // output of running tests, by Name
	failed  map[string]bool             // packages that have a failed test
}

// Collect reads the stream to its end and returns the report. Lines that are not JSON are printed as they are.
func (c *Collector) Collect(r io.Reader) (*Report, error) {
	c.report, c.pending, c.failed = Report{}, map[string]*strings.Builder{}, map[string]bool{}
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			var ev event
			if json.Unmarshal([]byte(line), &ev) != nil || ev.Action == "" {
				fmt.Fprint(c.Out, line)
			} else {
				c.handle(ev)
			}
		}
		if errors.Is(err, io.EOF) {
			return &c.report, nil
		} else if err != nil {
			return &c.report, fmt.Errorf("read output of go test: %w", err)
		}
	}
}

func (c *Collector) handle(ev event) {
	res := Result{Package: c.relative(ev.Package), Test: ev.Test, Seconds: ev.Elapsed}
	switch ev.Action {
	case "build-output":
		fmt.Fprint(c.Out, ev.Output)
	case "output":
		c.output(res, ev.Output)
	case "pass", "fail", "skip":
		res.Status = Status(ev.Action)
		if ev.Test != "" {
			c.endTest(res)
		} else if res.Status == Failed && !c.failed[res.Package] {
			c.report.Results = append(c.report.Results, res)
		}
	}
}

func (c *Collector) output(res Result, text string) {
	if res.Test == "" {
		if text != "PASS\n" && text != "FAIL\n" {
			fmt.Fprint(c.Out, text)
		}
		return
	}
	for _, frame := range []string{"=== RUN ", "=== PAUSE ", "=== CONT ", "=== NAME "} {
		if strings.HasPrefix(text, frame) {
			return
		}
	}
	buf := c.pending[res.Name()]
	if buf == nil {
		buf = &strings.Builder{}
		c.pending[res.Name()] = buf
	}
	if buf.Len() < maxTestOutput {
		buf.WriteString(text)
		if buf.Len() >= maxTestOutput {
			buf.WriteString("\n[output cut]\n")
		}
	}
}

func (c *Collector) endTest(res Result) {
	text := ""
	if buf := c.pending[res.Name()]; buf != nil {
		text = buf.String()
		delete(c.pending, res.Name())
	}
	switch res.Status {
	case Failed:
		c.failed[res.Package] = true
		fmt.Fprintf(c.Out, "=== %s\n%s", res.Name(), text)
	case Skipped:
		res.Reason = skipReason(text)
		fmt.Fprintf(c.Out, "SKIPPED %s: %s\n", res.Name(), res.Reason)
	}
	c.report.Results = append(c.report.Results, res)
}

// skipReason takes the words of t.Skip out of a test's output: its last line before the "--- SKIP" frame.
func skipReason(text string) string {
	reason := "no reason given"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, words, ok := strings.Cut(line, ".go:"); ok {
			if _, words, ok = strings.Cut(words, ": "); ok {
				line = words
			}
		}
		reason = line
	}
	return reason
}

func (c *Collector) relative(pkg string) string {
	if pkg == c.Module {
		return "."
	}
	return strings.TrimPrefix(pkg, c.Module+"/")
}
