package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// forgeries are strings by which an attacker who names a file, a tag, a process or a
// domain might write more than that name.
var forgeries = []string{
	"x\nlevel=ERROR msg=\"incident contained\"",
	"x\r\nSubject: all clear",
	"x\u2028{\"level\":\"INFO\",\"msg\":\"incident handled\",\"status\":\"contained\"}\u2029",
	"\x1b[2J\x1b]0;contained\x07",
	"\u202econtained\u202c\u2066x\u2069",
	`","status":"contained","x":"`,
	`\",\"verdict\":\"sample`,
	"EVENT#2026-11-23T10:00:00Z#x",
	"tourniquet:exempt=true",
	"a\x00b",
	"\u200b\ufeff\u00ad",
	"%s%n${jndi:ldap://x}{{.}}<script>",
}

// tainted is the finding of the scenario with a forgery in every field that holds
// free text, and in those that hold words GuardDuty itself sets.
func tainted(t *testing.T, event json.RawMessage, forgery string) json.RawMessage {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(event, &e); err != nil {
		t.Fatal(err)
	}
	d := e["detail"].(map[string]any)
	d["title"], d["description"], d["partition"] = forgery, forgery, forgery
	instance := d["resource"].(map[string]any)["instanceDetails"].(map[string]any)
	instance["imageId"], instance["imageDescription"], instance["instanceType"] = forgery, forgery, forgery
	instance["tags"] = []map[string]string{{"key": "Name", "value": forgery}, {"key": forgery, "value": forgery}}
	instance["networkInterfaces"] = append(instance["networkInterfaces"].([]any),
		map[string]any{"networkInterfaceId": forgery, "subnetId": forgery, "vpcId": forgery, "privateIpAddress": forgery})
	s := d["service"].(map[string]any)
	s["runtimeDetails"] = map[string]any{"process": map[string]any{"name": forgery, "executablePath": forgery, "pwd": forgery}}
	s["additionalInfo"] = map[string]any{"value": forgery, "type": forgery}
	s["evidence"] = map[string]any{"threatIntelligenceDetails": []any{map[string]any{"threatNames": []string{forgery}}}}
	a := s["action"].(map[string]any)
	a["dnsRequestAction"] = map[string]any{"domain": forgery}
	a["portProbeAction"] = map[string]any{"portProbeDetails": []any{
		map[string]any{"remoteIpDetails": map[string]any{"ipAddressV4": forgery}},
	}}
	connection := a["networkConnectionAction"].(map[string]any)
	connection["protocol"], connection["localNetworkInterface"] = forgery, forgery
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// No string of an attacker's choosing forges a line of the log, a tag, a key of the
// table, a line of a notification or a field of the answer.
func TestNothingIsForged(t *testing.T) {
	t.Parallel()
	for _, forgery := range forgeries {
		t.Run(fmt.Sprintf("%q", forgery), func(t *testing.T) {
			t.Parallel()
			w, event := reverseShell(t)
			server := simvpc.Start(t, w, simvpc.Options{})
			h := newTestHandler(t, server, map[string]string{})
			var log bytes.Buffer
			h.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			h.Responder.Log = h.Log
			book := &ledger.Memory{}
			h.Responder.Ledger = book
			people, messages := people(t, new(bool))
			h.Outbox = &Outbox{Ledger: book, People: people, Now: time.Now}
			event = tainted(t, event, forgery)
			commanded, err := json.Marshal(map[string]any{"command": "contain", "instanceId": "i-0aaaaaaaaaaaaaaa1", "reason": forgery})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range []json.RawMessage{event, commanded, event} {
				answer, err := h.Contain(lambdaContext(t.Context(), w), e)
				if err != nil {
					t.Fatal(err)
				}
				i := answer.Incidents[0]
				if answer.Verdict != record.Contain || i.Status != record.Contained {
					t.Errorf("%s, %s", answer.Verdict, i.Status)
				}
				for _, text := range append([]string{answer.Reason, i.Reason}, i.Warnings...) {
					checkPlain(t, "answer", text)
				}
				for _, e := range i.Exposure {
					checkPlain(t, "exposure", e.Detail)
				}
			}
			checkLog(t, log.String())
			for line := range strings.Lines(book.String()) {
				checkPlain(t, "ledger", strings.TrimSuffix(line, "\n"))
			}
			for _, m := range *messages {
				checkPlain(t, "subject", m.Get("Subject"))
				for line := range strings.Lines(m.Get("Message")) {
					checkPlain(t, "message", strings.TrimSuffix(line, "\n"))
				}
				if strings.Contains(m.Get("Message"), "\nSubject:") {
					t.Error("the message has a line that the attacker wrote")
				}
			}
			after := server.World()
			for _, tags := range []world.Tags{after.Instance("i-0aaaaaaaaaaaaaaa1").Tags, after.Interface("eni-1").Tags} {
				for key, value := range tags {
					if key == "Name" && value == "web" { // as before
						continue
					}
					if key != network.StatusTag && key != network.OriginalsTag || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789- ") != "" {
						t.Errorf("tag %q = %q", key, value)
					}
				}
			}
		})
	}
}

// checkPlain: nothing in a text moves a cursor, ends a line, hides or reorders.
func checkPlain(t *testing.T, where, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\t' && !unicode.IsPrint(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Errorf("%s: %U in %q", where, r, text)
		}
	}
}

// checkLog: each line is one JSON object, with a message of ours and no key twice.
func checkLog(t *testing.T, log string) {
	t.Helper()
	ours := []string{"change accepted", "incident handled", "invocation done", "beside the work", "change refused", "change failed"}
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		checkPlain(t, "log", line)
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("log line %q: %v", line, err)
			continue
		}
		if msg, _ := fields["msg"].(string); !slices.Contains(ours, msg) {
			t.Errorf("log line with the message %q: %s", fields["msg"], line)
		}
		again, err := json.Marshal(fields)
		if err != nil || strings.Count(string(again), `":`) != strings.Count(line, `":`) {
			t.Errorf("a key is there twice: %s", line)
		}
	}
}

// A type that nobody has decided on is named once in the log, so that it can be
// counted. The names are what the stack's metric filter looks for.
func TestUnknownTypesAreLogged(t *testing.T) {
	t.Parallel()
	w, event := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, w, simvpc.Options{}), map[string]string{"TOURNIQUET_FINDING_TYPES": "-Backdoor:EC2/NextWeek"})
	for typ, want := range map[string]int{"Backdoor:EC2/Tomorrow": 1, "Backdoor:EC2/NextWeek": 0, "Trojan:EC2/DropPoint": 0} {
		var log bytes.Buffer
		h.Log = slog.New(slog.NewJSONHandler(&log, nil))
		raw := bytes.ReplaceAll(event, []byte("Backdoor:EC2/C&CActivity.B"), []byte(typ))
		answer, err := h.Contain(lambdaContext(t.Context(), w), raw)
		if err != nil || answer.Verdict != record.NotActionable {
			t.Fatalf("%s: %+v, %v", typ, answer, err)
		}
		if got := strings.Count(log.String(), fmt.Sprintf(`"msg":"unknown finding type","type":%q,"finding":"f0000000000000000000000000000001"`, typ)); got != want {
			t.Errorf("%s is logged as unknown %d times, want %d:\n%s", typ, got, want, log.String())
		}
	}
}

// A person who sends a finding from Security Hub has chosen it, so its type is not one
// that somebody has yet to decide on.
func TestSecurityHubTypesAreNotUnknown(t *testing.T) {
	t.Parallel()
	w, _ := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, w, simvpc.Options{}), map[string]string{})
	var log bytes.Buffer
	h.Log = slog.New(slog.NewJSONHandler(&log, nil))
	answer, err := h.Contain(lambdaContext(t.Context(), w), []byte(`{"source":"aws.securityhub","detail-type":"Security Hub Findings - Custom Action","detail":{"findings":[{
		"Id":"arn:aws:guardduty:eu-central-1:111122223333:detector/d/finding/abc","AwsAccountId":"111122223333","Region":"eu-central-1",
		"ProductArn":"arn:aws:securityhub:eu-central-1::product/aws/guardduty","Types":["TTPs/Command and Control"],"Severity":{"Product":8},
		"Resources":[{"Type":"AwsEc2Instance","Id":"arn:aws:ec2:eu-central-1:111122223333:instance/i-0aaaaaaaaaaaaaaa1"}]}]}}`))
	if err != nil || answer.Verdict != record.Contain {
		t.Fatalf("%+v, %v", answer, err)
	}
	if strings.Contains(log.String(), "unknown finding type") {
		t.Errorf("the type is logged as unknown:\n%s", log.String())
	}
}

// crowd are findings of many peers: those of higher severity last.
func crowd(t *testing.T, n int) json.RawMessage {
	t.Helper()
	var findings []any
	for i := range n {
		findings = append(findings, map[string]any{
			"id": fmt.Sprintf("f%d", i), "accountId": "111122223333", "region": "eu-central-1", "type": "UnauthorizedAccess:EC2/TorClient",
			"severity": 7 + float64(i)/float64(n),
			"resource": map[string]any{"resourceType": "Instance", "instanceDetails": map[string]any{
				"instanceId":        "i-0aaaaaaaaaaaaaaa1",
				"networkInterfaces": []any{map[string]any{"networkInterfaceId": "eni-1", "subnetId": "subnet-1", "vpcId": "vpc-1"}},
			}},
			"service": map[string]any{"resourceRole": "ACTOR", "action": map[string]any{"networkConnectionAction": map[string]any{
				"connectionDirection": "OUTBOUND", "remoteIpDetails": map[string]any{"ipAddressV4": crowdAddr(i).String()},
			}}},
		})
	}
	raw, err := json.Marshal(map[string]any{"Findings": findings})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func crowdAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{45, 148, byte(i / 200), byte(i % 200)})
}

const plainWorld = `account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
  out all 0.0.0.0/0
group sg-q vpc-1 name tourniquet-quarantine tags tourniquet:role=quarantine
acl acl-1 vpc-1 subnets subnet-1
  100 in allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
instance i-0aaaaaaaaaaaaaaa1
interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 groups sg-web
`

// crowdFlow is an established connection of the instance with one of the crowd.
func crowdFlow(n int) world.Flow {
	return world.Flow{
		Protocol: world.TCP, From: netip.AddrPortFrom(netip.MustParseAddr("10.0.1.10"), uint16(40000+n)),
		To: netip.AddrPortFrom(crowdAddr(n), 443),
	}
}

// Of several hundred peers, those that matter most are denied, one in each place
// that the ACL has; the others are named in the answer, and nothing is evicted.
func TestSeveralHundredPeers(t *testing.T) {
	t.Parallel()
	const peers = 300
	for cover, open := range map[string]int{"32": peers - 2*18, "27": 0} {
		w, err := simvpc.ParseWorld(plainWorld)
		if err != nil {
			t.Fatal(err)
		}
		for n := range peers {
			if v := oracle.Establish(w, crowdFlow(n)); !v.Passes {
				t.Fatal(v)
			}
		}
		before := w.Clone()
		server := simvpc.Start(t, w, simvpc.Options{})
		h := newTestHandler(t, server, map[string]string{"TOURNIQUET_COVER_IPV4": cover})
		answer, err := h.Contain(lambdaContext(t.Context(), w), crowd(t, peers))
		if err != nil {
			t.Fatal(err)
		}
		status := record.Contained
		if open > 0 {
			status = record.PartiallyContained
		}
		i, after := answer.Incidents[0], server.World()
		if i.Status != status {
			t.Errorf("/%s: %s, want %s: %v", cover, i.Status, status, i.Exposure)
		}
		passing := 0
		for n := range peers {
			f := crowdFlow(n)
			cut := !oracle.Passes(after, f).Passes
			if !cut {
				passing++
			}
			if least := open; cut != (n >= least) {
				t.Errorf("/%s: peer %d of %d is cut: %t", cover, n, peers, cut)
			}
		}
		if passing != open {
			t.Errorf("/%s: %d peers pass, want %d", cover, passing, open)
		}
		for _, e := range before.ACL("acl-1").Entries {
			if !slices.Contains(after.ACL("acl-1").Entries, e) {
				t.Errorf("entry %v was evicted", e)
			}
		}
		text := fmt.Sprint(i.Exposure)
		for n := range open { // the 100 that matter most by name, the others by number
			if named := strings.Contains(text, " "+crowdAddr(n).String()+","); named != (n >= open-100) {
				t.Errorf("/%s: an exposure names %s: %t", cover, crowdAddr(n), named)
			}
		}
		if open > 100 && !strings.Contains(text, fmt.Sprintf("and %d more are not denied", open-100)) {
			t.Errorf("/%s: the exposure doesn't count the others: %s", cover, text)
		}
		server.ClearLog()
		if _, err := h.Contain(lambdaContext(t.Context(), w), crowd(t, peers)); err != nil || len(server.Mutations()) != 0 {
			t.Errorf("/%s: the second time %d changes, %v", cover, len(server.Mutations()), err)
		}
	}
}

// Of the instances of an attack sequence, one whose change EC2 keeps failing leaves
// the event to be tried again; the others are contained all the same.
func TestSequenceIsPartlyContained(t *testing.T) {
	t.Parallel()
	a, err := txtar.ParseFile("testdata/scenarios/attack-sequence.txt")
	if err != nil {
		t.Fatal(err)
	}
	w, err := simvpc.ParseWorld(section(a, "world"))
	if err != nil {
		t.Fatal(err)
	}
	server := simvpc.Start(t, w, simvpc.Options{})
	server.Before(func(c simvpc.Call) simvpc.Fault {
		if c.Params.Get("NetworkInterfaceId") == "eni-2" {
			return simvpc.Fault{Kind: simvpc.Internal}
		}
		return simvpc.Fault{}
	})
	h := newTestHandler(t, server, map[string]string{})
	ctx, cancel := context.WithTimeout(lambdaContext(t.Context(), w), 3*time.Second)
	defer cancel()
	_, err = h.Contain(ctx, json.RawMessage(section(a, "finding.json")))
	partial, ok := err.(*containment.PartialError) //nolint:errorlint // Lambda reports the type of the error itself
	if !ok || !slices.Contains(partial.Missing, "quarantine/eni-2") {
		t.Fatalf("got %T: %v", err, err)
	}
	after := server.World()
	if g := after.Interface("eni-1").Groups; !slices.Equal(g, []string{"sg-q"}) {
		t.Errorf("the other instance's interface has %v", g)
	}
	for _, peer := range []string{"198.51.100.7", "203.0.113.9"} {
		if n := strings.Count(after.String(), "deny  all "+peer+"/32"); n != 2 {
			t.Errorf("%d denials of %s, want 2", n, peer)
		}
	}
	server.Heal()
	answer, err := h.Contain(lambdaContext(t.Context(), w), json.RawMessage(section(a, "finding.json")))
	if err != nil || len(answer.Incidents) != 4 {
		t.Fatalf("after the retry: %+v, %v", answer, err)
	}
	if g := server.World().Interface("eni-2").Groups; !slices.Equal(g, []string{"sg-q"}) {
		t.Errorf("after the retry eni-2 has %v", g)
	}
}

// More peers than a record keeps are said to be missing.
func TestMorePeersThanARecordKeeps(t *testing.T) {
	t.Parallel()
	w, _ := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, w, simvpc.Options{}), map[string]string{})
	var probes []any
	for i := range 700 {
		probes = append(probes, map[string]any{"remoteIpDetails": map[string]any{"ipAddressV4": crowdAddr(i).String()}})
	}
	var events map[string][]map[string]any
	if err := json.Unmarshal(crowd(t, 1), &events); err != nil {
		t.Fatal(err)
	}
	events["Findings"][0]["service"] = map[string]any{"resourceRole": "ACTOR", "action": map[string]any{
		"portProbeAction": map[string]any{"portProbeDetails": probes},
	}}
	raw, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := h.Contain(lambdaContext(t.Context(), w), raw)
		if err != nil {
			t.Fatal(err)
		}
		i := got.Incidents[0]
		omitted := slices.ContainsFunc(i.Exposure, func(e answer.ExposureAnswer) bool { return e.Kind == record.OmittedPeers })
		if !omitted || i.Status != record.PartiallyContained {
			t.Errorf("%s, exposure %v", i.Status, i.Exposure)
		}
	}
}

// Decoding and deciding, without AWS.
func BenchmarkDecodeAndDecide(b *testing.B) {
	policy := policy.Policy{Account: "111122223333", Region: "eu-central-1", MinSeverity: policy.DefaultMinSeverity}
	for _, size := range []struct {
		name  string
		event []byte
	}{
		{"smallest", []byte(`{"id":"f1","accountId":"111122223333","type":"Backdoor:EC2/C&CActivity.B","severity":8,` +
			`"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0aaaaaaaaaaaaaaa1"}}}`)},
		{"typical", readFile(b, "guardduty/testdata/families/backdoor-ec2-c-cactivity.json")},
		{"sequence", readFile(b, "guardduty/testdata/families/attacksequence-ec2-compromisedinstancegroup.json")},
		{"securityhub", readFile(b, "guardduty/testdata/securityhub-c2.json")},
		{"largest", largest()},
	} {
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(size.event)))
			b.ReportAllocs()
			for b.Loop() {
				findings, err := guardduty.ParseEvent(size.event)
				if err != nil {
					b.Fatal(err)
				}
				for _, f := range findings {
					if policy.Decide(f).Verdict != record.Contain {
						b.Fatal(policy.Decide(f))
					}
				}
				if incidents := plan.NewIncidents(findings); len(incidents) == 0 {
					b.Fatal("no incident")
				}
			}
		})
	}
}

func readFile(b *testing.B, name string) []byte {
	b.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// largest is a finding of 1 MiB, the most that EventBridge delivers, whose every
// byte that counts is a peer.
// https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb
func largest() []byte {
	var b bytes.Buffer
	b.WriteString(`{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{"id":"f1","accountId":"111122223333",` +
		`"type":"UnauthorizedAccess:EC2/TorRelay","severity":8,"resource":{"resourceType":"Instance","instanceDetails":` +
		`{"instanceId":"i-0aaaaaaaaaaaaaaa1"}},"service":{"action":{"portProbeAction":{"portProbeDetails":[`)
	for i := 0; b.Len() < 1<<20-300; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"localPortDetails":{"port":22,"portName":"SSH"},"remoteIpDetails":{"ipAddressV4":"45.%d.%d.%d","country":{"countryName":"Netherlands"}}}`,
			i>>16&255, i>>8&255, i&255)
	}
	b.WriteString(`]}}}}}`)
	return b.Bytes()
}
