package packets

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// Three judges decide every scenario: simvpc's oracle, the fabric, and Linux with its
// own connection tracking. A step says what all of them must find:
//
//	open NAME FLOW              the flow comes about
//	refused FLOW                it doesn't
//	passes NAME                 packets get through both ways
//	cut NAME                    they don't
//	groups INTERFACE GROUP…     changes the world, as the next ones do
//	deny|allow ACL N in|out PREFIX
//	remove ACL N in|out
//	associate SUBNET ACL
//	wait DURATION               lets time pass without a packet
//
// Where EC2 is documented to do otherwise than Linux, the oracle and the fabric follow
// EC2, and the step says what Linux does, and why: "cut shell | kernel passes: …".
func TestThreeJudges(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/judges/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	missing := kernelMissing()
	if missing != "" && os.Getenv("CI") != "" && os.Geteuid() == 0 {
		t.Errorf("no kernel as a judge: %s", missing)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]string{}
		for _, f := range archive.Files {
			parts[f.Name] = string(f.Data)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			for name, make := range map[string]func(testing.TB, *world.World) judge{
				"oracle": func(_ testing.TB, w *world.World) judge { return newOracle(w) },
				"fabric": func(t testing.TB, w *world.World) judge { return newFabric(t, w) },
				"kernel": newKernel,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					if name == "kernel" && missing != "" {
						t.Skip("no kernel as a judge: " + missing)
					}
					w, err := simvpc.ParseWorld(parts["world"])
					if err != nil {
						t.Fatal(err)
					}
					s := &scenario{T: t, name: name, judge: make(t, w), world: w}
					s.world.Flows = nil
					for line := range strings.Lines(parts["steps"]) {
						s.step(strings.TrimSpace(line))
					}
				})
			}
		})
	}
}

// A scenario runs steps before one judge.
type scenario struct {
	*testing.T
	name  string
	judge judge
	world *world.World
	flows int
}

func (s *scenario) step(line string) {
	s.Helper()
	text, other, differs := strings.Cut(line, "|")
	words := strings.Fields(text)
	if len(words) == 0 || words[0] == "#" {
		return
	}
	if who, what, _ := strings.Cut(strings.TrimSpace(other), " "); differs && who == s.name {
		verb, _, _ := strings.Cut(what, ":")
		words[0] = verb
	}
	switch words[0] {
	case "open", "refused":
		s.open(words[0] == "open", line, words[1:])
	case "passes", "cut":
		hope := words[0] == "passes"
		forward, backward := s.judge.exchange(words[1], hope)
		if got := forward && backward; got != hope {
			s.Errorf("%s: forward %t, backward %t", line, forward, backward)
		}
	case "wait":
		d, err := time.ParseDuration(words[1])
		s.must(err)
		s.judge.wait(d)
	default:
		s.change(line, words)
		s.world.Normalize()
		s.judge.changed(s.world)
	}
}

func (s *scenario) open(want bool, line string, words []string) {
	s.Helper()
	name := fmt.Sprint("refused ", s.flows)
	if s.flows++; want {
		name, words = words[0], words[1:]
	}
	f, err := world.ParseFlow(strings.Join(words, " "))
	s.must(err)
	f.Tracked = nil
	if got := s.judge.open(name, f, want); got != want {
		s.Fatalf("%s: comes about %t", line, got)
	}
}

func (s *scenario) change(line string, words []string) {
	s.Helper()
	switch words[0] {
	case "groups":
		s.world.Interface(words[1]).Groups = words[2:]
	case "associate":
		s.world.Subnet(words[1]).ACL = words[2]
	case "deny", "allow", "remove":
		a := s.world.ACL(words[1])
		n, err := strconv.Atoi(words[2])
		s.must(err)
		egress := words[3] == "out"
		if words[0] == "remove" {
			a.Entries = slices.DeleteFunc(a.Entries, func(e world.Entry) bool { return e.Number == n && e.Egress == egress })
			return
		}
		cidr, err := netip.ParsePrefix(words[4])
		s.must(err)
		a.Entries = append(a.Entries, world.Entry{Number: n, Egress: egress, Allow: words[0] == "allow", Protocol: world.All, CIDR: cidr})
	default:
		s.Fatalf("unknown step: %s", line)
	}
}

func (s *scenario) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
