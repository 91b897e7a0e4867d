package containment_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/host"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/vpc"
)

// With every measure on, an instance is contained in three dependent round trips, and in
// the time that it takes with all of them off.
//
// It is not parallel: what it measures is which calls overlap, and how long they take.
func TestEveryRungAtOnce(t *testing.T) {
	latency := 4 * latencyFor(30)
	run := func(rules plan.Rules) (took time.Duration, until, all int) {
		w := managed(wide(t, 2, 2, true))
		isolable(w)
		w.LogGroups = []string{"flows"}
		log := &simvpc.Log{}
		server := simvpc.Start(t, w, simvpc.Options{Latency: latency, Log: log})
		r := responder(server, slow{&ledger.Memory{}, log, latency})
		rules.ACLQuota = r.Rules.ACLQuota
		r.Rules = rules
		sdk := aws.Config{
			Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), HTTPClient: vpc.NewHTTPClient(),
			Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
		}
		hosts := &host.Client{Config: sdk, Isolate: host.IsolateName}
		r.Hosts = hosts
		r.Beside = map[record.Kind]containment.Measures{
			record.KindHost:    host.Isolating{Client: hosts},
			record.KindFlowLog: flowlog.Making{Client: &flowlog.Client{Config: sdk, Group: "flows", Role: "arn:aws:iam::111122223333:role/deliver"}},
		}
		began := time.Now()
		out, err := r.Contain(t.Context(), incidentOf(w, 2))
		if err != nil || out.Record.Status != record.Contained {
			t.Fatalf("%s, %v", out.Record.Status, err)
		}
		for _, s := range out.Record.Steps {
			if s.State != record.Applied {
				t.Errorf("%s is %s: %s", s.Step.ID(), s.State, s.Note)
			}
		}
		last := 0
		for i, c := range log.Calls() {
			switch c.Op {
			case "ModifyNetworkInterfaceAttribute", "CreateNetworkAclEntry", "ReplaceNetworkAclAssociation":
				last = i
			}
		}
		if got := simvpc.Depth(log.Calls()[:last+1]); got != 3 {
			t.Errorf("%d dependent round trips until contained, want 3", got)
		}
		return out.Contained.Sub(began), last + 1, len(log.Calls())
	}
	off, offUntil, offAll := run(plan.Rules{})
	on, onUntil, onAll := run(plan.Rules{OnHost: plan.OnHostAlways, Survivors: plan.SurvivorsDeny, Isolate: plan.IsolateTagged})
	t.Logf("contained after %v with every measure on, %v with all off (%+.1f %%), of which three round trips take %v; calls %d of %d, and %d of %d",
		on, off, 100*(float64(on)/float64(off)-1), 3*latency, onUntil, onAll, offUntil, offAll)
	if on > off+latency/2 { // another round trip would take all of it
		t.Errorf("contained after %v with every measure on, %v with all off", on, off)
	}
}
