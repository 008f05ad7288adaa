// Command runtests is the second half of `make test`: it runs the unit and in-process tests under the race detector,
// then the end-to-end tests, keeps which tests ran in a file, checks docs/features.md against it, and closes with one
// line of counts. Its exit status is 0 only when everything held.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/hangouts-bridge/hangouts-bridge/internal/featurecheck"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testreport"
)

func main() {
	results := flag.String("results", ".cache/test-results.json", "file for the results of all tests")
	features := flag.String("features", "docs/features.md", "feature table to check")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := runAll(ctx, *results, *features)
	if err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// stage is some calls of go test at the same time.
type stage struct {
	title string
	calls []call
}

// call is one call of go test.
type call struct{ args, packages []string }

// halves of the tests of the slowest package, whose tests cannot run in parallel within one process: the framework
// keeps global state.
const (
	slowest   = "/bridge"
	firstHalf = "^Test[A-L]"
)

func runAll(ctx context.Context, resultsPath, featuresPath string) (bool, error) {
	module, err := goList(ctx, "-m")
	if err != nil {
		return false, err
	}
	packages, err := goList(ctx, "-e", "./...")
	if err != nil {
		return false, err
	}
	slow := []string{module[0] + slowest}
	unit := call{args: []string{"-race", "-p", "1", "-timeout", "30m"}}
	endToEnd := call{args: []string{"-count=1", "-p", "2", "-timeout", "30m"}}
	for _, pkg := range packages {
		switch {
		case strings.HasPrefix(pkg, module[0]+"/e2e") || strings.HasPrefix(pkg, module[0]+"/internal/testkit"):
			endToEnd.packages = append(endToEnd.packages, pkg)
		case pkg != slow[0]:
			unit.packages = append(unit.packages, pkg)
		}
	}
	stages := []stage{
		{"unit and in-process tests", []call{unit, {slices.Concat(unit.args, []string{"-run", firstHalf}), slow}, {slices.Concat(unit.args, []string{"-skip", firstHalf}), slow}}},
		{"end-to-end tests", []call{endToEnd}},
	}

	total, ok := &testreport.Report{}, true
	for _, s := range stages {
		results, passed, err := s.run(ctx, module[0])
		if err != nil {
			return false, err
		}
		total.Results = append(total.Results, results...)
		ok = ok && passed
	}
	if err = total.Save(resultsPath); err != nil {
		return false, err
	}
	counts := total.Count()
	proven, err := checkFeatures(total, featuresPath)
	fmt.Println()
	fmt.Println(counts)
	return ok && proven && counts.Failed == 0, err
}

// run makes the calls and returns what ran; passed is false when one of them failed for any reason.
func (s stage) run(ctx context.Context, module string) (results []testreport.Result, passed bool, err error) {
	fmt.Printf("\n== %s ==\n", s.title)
	var mu sync.Mutex
	var calls sync.WaitGroup
	passed = true
	for _, c := range s.calls {
		calls.Go(func() {
			report, ok, callErr := c.run(ctx, module)
			mu.Lock()
			defer mu.Unlock()
			passed, err = passed && ok, errors.Join(err, callErr)
			if report != nil {
				results = append(results, report.Results...)
			}
		})
	}
	calls.Wait()
	return results, passed, err
}

// run calls go test and returns what ran; passed is false when go test failed for any reason.
func (c call) run(ctx context.Context, module string) (report *testreport.Report, passed bool, err error) {
	if len(c.packages) == 0 {
		return nil, true, nil
	}
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-json"}, c.args...), c.packages...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, false, fmt.Errorf("open pipe to go test: %w", err)
	}
	if err = cmd.Start(); err != nil {
		return nil, false, fmt.Errorf("start go test: %w", err)
	}
	report, err = (&testreport.Collector{Module: module, Out: os.Stdout}).Collect(out)
	return report, cmd.Wait() == nil, err
}

// checkFeatures prints what the feature table claims and the tests do not prove.
func checkFeatures(report *testreport.Report, path string) (bool, error) {
	fmt.Printf("\n== %s ==\n", path)
	finding, err := featurecheck.CheckFile(path, report, os.Getenv("CI") != "")
	if err != nil {
		return false, err
	}
	for _, line := range finding.Skipped {
		fmt.Println("skipped here:", line)
	}
	for _, line := range finding.Errors {
		fmt.Println("FAIL:", line)
	}
	if len(finding.Errors) == 0 {
		fmt.Println("every row holds")
	}
	return len(finding.Errors) == 0, nil
}

func goList(ctx context.Context, args ...string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.Fields(string(out)), nil
}
