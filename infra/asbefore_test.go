package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sinceThen are the statements in which the roles of a stack with every measure off differ
// from those of the version before the measures, and why.
var sinceThen = map[string]map[string]string{
	"contain": {"SendEvents": "an outcome is an event on the default bus, whatever is on"},
	"release": {"SendEvents": "likewise"},
}

// TestEverythingOffHasTheRolesOfBefore: a stack with every measure off gives its functions
// what the version before the measures gave them. That version's template is
// testdata/template-before-rungs.json, as its test held it still.
func TestEverythingOffHasTheRolesOfBefore(t *testing.T) {
	var before template
	read(t, "testdata/template-before-rungs.json", &before)
	for role, known := range sinceThen {
		was, now := bySid(before.statements(t, role)), bySid(bare(t).statements(t, role))
		sids := slices.Sorted(maps.Keys(was))
		for sid := range now {
			sids = append(sids, sid)
		}
		slices.Sort(sids)
		for _, sid := range slices.Compact(sids) {
			d := cmp.Diff(was[sid], now[sid])
			switch why := known[sid]; {
			case d != "" && why == "":
				t.Errorf("%s, %s (-before +now):\n%s", role, sid, d)
			case d == "" && why != "":
				t.Errorf("%s, %s is as before, though it is listed as different: %s", role, sid, why)
			}
		}
	}
}

func bySid(statements []statement) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, s := range statements {
		all[s.sid] = s.raw
	}
	return all
}
