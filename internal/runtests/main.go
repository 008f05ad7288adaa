// Command runtests is the second half of `make test`: it runs the unit and in-process tests under the race detector,
// then the end-to-end tests, keeps which tests ran in a file, checks docs/features.md against it, and closes with one
// line of counts. Its exit status is 0 only when everything held.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
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

// stage is one call of go test.
type stage struct {
	title    string
	args     []string
	packages []string
}

func runAll(ctx context.Context, resultsPath, featuresPath string) (bool, error) {
	module, err := goList(ctx, "-m")
	if err != nil {
		return false, err
	}
	packages, err := goList(ctx, "-e", "./...")
	if err != nil {
		return false, err
	}
	stages := []stage{
		{title: "unit and in-process tests", args: []string{"-race", "-timeout", "20m"}},
		{title: "end-to-end tests", args: []string{"-count=1", "-p", "2", "-timeout", "30m"}},
	}
	for _, pkg := range packages {
		n := 0
		if strings.HasPrefix(pkg, module[0]+"/e2e") || strings.HasPrefix(pkg, module[0]+"/internal/testkit") {
			n = 1
		}
		stages[n].packages = append(stages[n].packages, pkg)
	}

	total, ok := &testreport.Report{}, true
	for _, s := range stages {
		report, passed, err := s.run(ctx, module[0])
		if err != nil {
			return false, err
		}
		total.Results = append(total.Results, report.Results...)
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

// run calls go test and returns what ran; passed is false when go test failed for any reason.
func (s stage) run(ctx context.Context, module string) (report *testreport.Report, passed bool, err error) {
	if len(s.packages) == 0 {
		return &testreport.Report{}, true, nil
	}
	fmt.Printf("\n== %s ==\n", s.title)
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-json"}, s.args...), s.packages...)...)
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
