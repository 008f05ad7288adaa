package testreport

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const stream = `{"Action":"start","Package":"example.org/m/a"}
{"Action":"run","Package":"example.org/m/a","Test":"TestOne"}
{"Action":"output","Package":"example.org/m/a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"example.org/m/a","Test":"TestOne","Output":"chatter\n"}
{"Action":"pass","Package":"example.org/m/a","Test":"TestOne","Elapsed":0.5}
{"Action":"output","Package":"example.org/m/a","Test":"TestTable/bad","Output":"    a_test.go:7: wrong\n"}
{"Action":"fail","Package":"example.org/m/a","Test":"TestTable/bad"}
{"Action":"pass","Package":"example.org/m/a","Test":"TestTable/good"}
{"Action":"fail","Package":"example.org/m/a","Test":"TestTable"}
{"Action":"output","Package":"example.org/m/a","Test":"TestPeer","Output":"    a_test.go:9: irssi is missing\n"}
{"Action":"output","Package":"example.org/m/a","Test":"TestPeer","Output":"--- SKIP: TestPeer (0.00s)\n"}
{"Action":"skip","Package":"example.org/m/a","Test":"TestPeer"}
{"Action":"output","Package":"example.org/m/a","Output":"FAIL\n"}
{"Action":"output","Package":"example.org/m/a","Output":"FAIL\texample.org/m/a\t0.5s\n"}
{"Action":"fail","Package":"example.org/m/a","Elapsed":0.6}
go: warning that is not JSON
{"ImportPath":"example.org/m/b","Action":"build-output","Output":"b.go:1: syntax error\n"}
{"ImportPath":"example.org/m/b","Action":"build-fail"}
{"Action":"output","Package":"example.org/m/b","Output":"FAIL\texample.org/m/b [build failed]\n"}
{"Action":"fail","Package":"example.org/m/b"}
{"Action":"output","Package":"example.org/m","Output":"ok  \texample.org/m\t0.1s\n"}
{"Action":"pass","Package":"example.org/m"}
`

func collect(t *testing.T) (*Report, string) {
	t.Helper()
	var out strings.Builder
	r, err := (&Collector{Module: "example.org/m", Out: &out}).Collect(strings.NewReader(stream))
	require.NoError(t, err)
	return r, out.String()
}

func TestCollectKeepsResults(t *testing.T) {
	r, _ := collect(t)
	for name, want := range map[string]Status{
		"a.TestOne": Passed, "a.TestTable": Failed, "a.TestTable/bad": Failed, "a.TestTable/good": Passed,
		"a.TestPeer": Skipped, "b": Failed,
	} {
		res, ok := r.Find(name)
		require.True(t, ok, name)
		require.Equal(t, want, res.Status, name)
	}
	_, ok := r.Find("a.TestNever")
	require.False(t, ok)
	_, ok = r.Find("a")
	require.False(t, ok, "a package with a failed test adds no failure of its own")
	require.Equal(t, "irssi is missing", r.Skips()[0].Reason)
	require.Equal(t, "2 passed, 2 failed, 1 skipped", r.Count().String())
}

func TestCollectPrintsWhatMatters(t *testing.T) {
	_, out := collect(t)
	for _, line := range []string{"a_test.go:7: wrong", "FAIL\texample.org/m/a\t0.5s", "SKIPPED a.TestPeer: irssi is missing",
		"b.go:1: syntax error", "ok  \texample.org/m\t0.1s", "go: warning that is not JSON"} {
		require.Contains(t, out, line)
	}
	require.NotContains(t, out, "chatter", "a passing test is silent")
	require.NotContains(t, out, "=== RUN")
}

func TestParentCountsOnlyForItself(t *testing.T) {
	r := &Report{Results: []Result{
		{Package: "p", Test: "T/a/b", Status: Passed}, {Package: "p", Test: "T/a", Status: Passed}, {Package: "p", Test: "T", Status: Failed},
	}}
	require.Equal(t, Counts{Passed: 1, Failed: 1}, r.Count(), "the parent failed after its subtests passed")
}

func TestFindPrefersTheWorseOfTwoRuns(t *testing.T) {
	r := &Report{Results: []Result{{Package: "p", Test: "T", Status: Failed}, {Package: "p", Test: "T", Status: Passed}}}
	res, _ := r.Find("p.T")
	require.Equal(t, Failed, res.Status)
}

func TestSaveAndLoad(t *testing.T) {
	r, _ := collect(t)
	path := filepath.Join(t.TempDir(), "sub", "results.json")
	require.NoError(t, r.Save(path))
	loaded, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, r, loaded)
	_, err = Load(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}
