package record

import (
	"slices"
	"testing"
	"time"
)

// Who is told of a change, and who is not.
func TestOwing(t *testing.T) {
	t.Parallel()
	dns, survivor := Exposure{ResolverDNS, "d"}, Exposure{SurvivingPeer, "203.0.113.9"}
	told := func(s Status, e ...Exposure) Told { return Told{1, s, e} }
	both := []Channel{ToPeople, ToBus}
	for name, c := range map[string]struct {
		was     Told
		now     Record
		applied []string
		want    []Channel
	}{
		"first contained":              {Told{}, Record{Status: Contained}, []string{"q"}, both},
		"contained after a crash":      {told(Containing), Record{Status: Contained}, nil, both},
		"in part":                      {Told{}, Record{Status: PartiallyContained}, []string{"q"}, both},
		"in part, tried again in vain": {told(PartiallyContained, dns), Record{Status: PartiallyContained, Exposure: []Exposure{dns}}, nil, nil},
		"the rest is done":             {told(PartiallyContained), Record{Status: Contained}, []string{"q"}, both},
		"under way":                    {Told{}, Record{Status: Containing}, nil, nil},
		"looked at again":              {told(Contained, dns), Record{Status: Contained, Exposure: []Exposure{dns}}, nil, nil},
		"drift was repaired":           {told(Contained, dns), Record{Status: Contained, Exposure: []Exposure{dns}}, []string{"q"}, []Channel{ToPeople}},
		"another exposure":             {told(Contained), Record{Status: Contained, Exposure: []Exposure{dns}}, nil, []Channel{ToBus}},
		"a survivor":                   {told(Contained, dns), Record{Status: Contained, Exposure: []Exposure{dns, survivor}}, nil, both},
		"the same survivor":            {told(Contained, survivor, dns), Record{Status: Contained, Exposure: []Exposure{dns, survivor}}, nil, nil},
		"released":                     {told(Contained), Record{Status: Released}, nil, both},
		"release under way":            {told(Contained), Record{Status: Releasing}, nil, nil},
		"released, and expired since":  {told(Released), Record{Status: Released}, nil, nil},
		"released, then by force":      {told(Released), Record{Status: Released, Exposure: []Exposure{{MayRevive, "x"}}}, nil, []Channel{ToBus}},
		"gone":                         {told(Contained), Record{Status: Closed}, nil, []Channel{ToPeople}},
		"observed":                     {Told{}, Record{Status: Observed}, nil, []Channel{ToPeople}},
		"a person's dry run":           {Told{}, Record{Status: Observed, ByPerson: true}, nil, nil},
		"an earlier generation":        {Told{Generation: 7, Status: Contained}, Record{Status: Contained}, []string{"q"}, both},
	} {
		c.now.Instance, c.now.Generation = "i-1", 1
		now := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
		owed := Owing(c.was, c.applied, NewChange(nil, c.now, nil, now, Event{Verdict: Contain, Reason: "why", Request: "r-1"}))
		var got []Channel
		for _, o := range owed {
			got = append(got, o.To)
			if err := o.Check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if o.Status != c.now.Status || o.Generation != 1 || o.Request != "r-1" || !slices.Equal(o.Applied, c.applied) {
				t.Errorf("%s: owes %+v", name, o)
			}
			if name != "an earlier generation" && o.Was != c.was.Status || name == "an earlier generation" && o.Was != "" {
				t.Errorf("%s: was %q", name, o.Was)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: tells %v, want %v", name, got, c.want)
		}
	}
}

// What is owed once is not owed again when nothing has happened since.
func TestNothingIsToldTwice(t *testing.T) {
	t.Parallel()
	for _, s := range []Status{Containing, Contained, PartiallyContained, Releasing, Released, Closed, Observed} {
		r := Record{Instance: "i-1", Generation: 1, Status: s, Exposure: []Exposure{{ResolverDNS, "d"}, {QuarantineLeaks, "l"}}}
		c := NewChange(nil, r, nil, time.Now(), Event{Verdict: Contain})
		Owing(Told{}, []string{"q"}, c)
		if again := Owing(TellOf(&c.Record), nil, c); len(again) > 0 {
			t.Errorf("%s is told twice: %+v", s, again)
		}
	}
}

func TestOwingVerdict(t *testing.T) {
	t.Parallel()
	for v, want := range map[Verdict][]Channel{
		Held: {ToPeople, ToBus}, Sample: {ToPeople}, Exempt: {ToPeople}, NotActionable: nil, OtherAccount: nil, Contain: nil,
	} {
		if got := OwingVerdict(v); !slices.Equal(got, want) {
			t.Errorf("%s: told to %v, want %v", v, got, want)
		}
	}
}
