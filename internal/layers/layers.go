// Package layers states which of the module's packages may depend on which, and finds the dependencies that break
// those rules. Dependencies are transitive: an import through a third package counts like a direct one.
package layers

import (
	"fmt"
	"slices"
	"strings"
)

// Graph maps the module's packages, named by their path inside the module ("hangouts/channel", "." for the root), to
// the module's packages that each imports directly. Packages of other modules do not appear.
type Graph map[string][]string

// Violation is one forbidden dependency.
type Violation struct {
	Package string   // the package that must not depend
	On      string   // what it must not depend on
	Path    []string // the chain of imports from Package to On, both included
	Reason  string   // the rule
}

// String renders the violation with its chain of imports on one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s depends on %s (%s): %s", v.Package, v.On, strings.Join(v.Path, " -> "), v.Reason)
}

// Check returns every violation of the rules in g, ordered by package and dependency. Packages that a rule names and
// the graph lacks are no violation.
func Check(g Graph) []Violation {
	var found []Violation
	for _, pkg := range sortedKeys(g) {
		chains := g.chains(pkg)
		deps := sortedKeys(chains)
		for _, r := range rules {
			if !r.of.has(pkg) || r.except.has(pkg) {
				continue
			}
			for _, dep := range deps {
				if r.forbids(dep) && (!r.direct || len(chains[dep]) == 2) {
					found = append(found, Violation{pkg, dep, chains[dep], r.reason})
				}
			}
		}
		found = append(found, checkMeetingPoint(pkg, chains)...)
	}
	return found
}

// checkMeetingPoint holds the rule about pairs: who depends on both account and hangouts.
func checkMeetingPoint(pkg string, chains map[string][]string) []Violation {
	if meetingPoints.has(pkg) {
		return nil
	}
	knowsAccount := trees{"account"}.has(pkg)
	var wire string
	for _, dep := range sortedKeys(chains) {
		knowsAccount = knowsAccount || trees{"account"}.has(dep)
		if wire == "" && (trees{"hangouts"}).has(dep) {
			wire = dep
		}
	}
	if !knowsAccount || wire == "" {
		return nil
	}
	return []Violation{{pkg, wire, chains[wire], "only backend/classic (and cmd, e2e, internal/testkit) knows both account and hangouts"}}
}

// chains returns the shortest chain of imports to every package reachable from pkg, pkg itself left out.
func (g Graph) chains(pkg string) map[string][]string {
	chains := map[string][]string{}
	queue := [][]string{{pkg}}
	for len(queue) > 0 {
		chain := queue[0]
		queue = queue[1:]
		for _, dep := range g[chain[len(chain)-1]] {
			if _, seen := chains[dep]; seen || dep == pkg {
				continue
			}
			next := append(slices.Clone(chain), dep)
			chains[dep] = next
			queue = append(queue, next)
		}
	}
	return chains
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
