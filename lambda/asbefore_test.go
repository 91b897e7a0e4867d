package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tourniquet/lambda/config"
	"tourniquet/lambda/vpc"
)

// everythingOff turns off every measure beyond quarantine and denials.
var everythingOff = map[string]string{
	config.OnHost: "off", config.Survivors: "off", config.IsolateSubnets: "off", config.KeepAlive: "false", config.Protect: "false",
	config.Snapshots: "false", config.Keys: "keep",
}

const undenied = "where a known peer can't be denied, tracking timeouts are lowered as where none is known"

// sinceThen are the scenarios that come out otherwise than in that version, and why. None
// has to do with the measures.
var sinceThen = map[string]string{
	"acl-full-nothing-evicted":           undenied,
	"allowed-at-rule-one":                undenied,
	"covering-prefixes-spare-the-exempt": undenied,
	"more-peers-than-places":             undenied,
	"same-subnet-peer":                   undenied,
	"shared-vpc":                         undenied,
	"failed-then-retried":                "a missing description of subnets is not waited for any more: the fault is on another call now",
	"release-bad-commands":               "the errors have other words, and the command has more fields",
	"release-then-contained-again":       "the scenario's second event has another name",
	"terminated-instance":                "the reason has fewer words",
}

// With every measure off, a containment is what it was in the version before the
// measures: the same answer, the same world after, as many changes, and none of the calls
// that the measures make.
func TestEverythingOffIsAsBefore(t *testing.T) {
	t.Parallel()
	before, err := txtar.ParseFile("testdata/before-rungs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range before.Files {
		name, _, _ := strings.Cut(f.Name, "/")
		names = append(names, name)
	}
	for _, name := range slices.Compact(names) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile("testdata/scenarios/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			made := &requests{seen: map[string]bool{}}
			differs := ""
			for part, text := range runScenario(t, archive, made, everythingOff) {
				if d := cmp.Diff(section(before, name+"/"+part), text); d != "" {
					differs += fmt.Sprintf("%s (-before +now):\n%s", part, d)
				}
			}
			switch why := sinceThen[name]; {
			case differs != "" && why == "":
				t.Error(differs)
			case differs == "" && why != "":
				t.Errorf("it comes out as before, though it is listed as different: %s", why)
			}
			for _, action := range made.actions(t) {
				if !slices.Contains(vpc.ContainActions, action) && !slices.Contains(vpc.ReleaseActions, action) {
					t.Errorf("%s is called, which the version before never did", action)
				}
			}
		})
	}
}
