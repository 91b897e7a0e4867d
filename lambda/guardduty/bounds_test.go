package guardduty

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// filled is an event of MaxEventSize: what is before, a piece as often as it fits,
// and what is after. A "%d" in the piece is a number that is different each time.
func filled(before, piece, after string) []byte {
	var b strings.Builder
	b.WriteString(before)
	numbered := strings.Contains(piece, "%d")
	for n := 0; b.Len()+len(piece)+len(after)+8 < MaxEventSize; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		if numbered {
			fmt.Fprintf(&b, piece, n)
		} else {
			b.WriteString(piece)
		}
	}
	b.WriteString(after)
	return []byte(b.String())
}

// hostile are events as large as they can be, made to cost as much as they can.
func hostile() map[string][]byte {
	const head = `{"id":"abc","accountId":"111122223333","type":"AttackSequence:EC2/CompromisedInstanceGroup","severity":9,`
	const seq = head + `"resource":{"resourceType":"AttackSequence"},"service":{"detection":{"sequence":{`
	const host = head + `"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0123456789abcdef0",`
	const probes = head + `"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0123456789abcdef0"}},` +
		`"service":{"action":{"portProbeAction":{"portProbeDetails":[`
	hub := strings.SplitAfter(securityHubEvent(`{"findings":[`+set(minimalASFF, "ProductFields", `{}`)+`]}`), `"ProductFields":{`)
	return map[string][]byte{
		"empty findings":           filled(`{"Findings":[`, `{}`, `]}`),
		"findings on nothing":      filled(`{"Findings":[`, `{"id":"a","resource":{"resourceType":"S3Bucket"}}`, `]}`),
		"numbers for findings":     filled(`{"Findings":[`, `0`, `]}`),
		"empty resources":          filled(seq+`"resources":[`, `{}`, `]}}}}`),
		"instances":                filled(seq+`"resources":[`, `{"resourceType":"EC2_INSTANCE","uid":"i-%08x"}`, `]}}}}`),
		"malformed instances":      filled(seq+`"resources":[`, `{"resourceType":"EC2_INSTANCE"}`, `]}}}}`),
		"grouped instances":        filled(seq+`"resources":[{"data":{"ec2Vpc":{"ec2InstanceUids":[`, `"i-%08x"`, `]}}}]}}}}`),
		"empty endpoints":          filled(seq+`"endpoints":[`, `{}`, `]}}}}`),
		"empty signals":            filled(seq+`"signals":[`, `{}`, `]}}}}`),
		"every endpoint is a peer": everyEndpoint(seq),
		"sequences":                sequences(),
		"empty probes":             filled(probes, `{}`, `]}}}}`),
		"probers":                  filled(probes, `{"remoteIpDetails":{"ipAddressV6":"2001:db8::%x"}}`, `]}}}}`),
		"unreadable probers":       filled(probes, `{"remoteIpDetails":{"ipAddressV4":"x%d"}}`, `]}}}}`),
		"interfaces":               filled(host+`"networkInterfaces":[`, `{"subnetId":"a"}`, `]}}}`),
		"tags":                     filled(host+`"tags":[`, `{"key":"%d"}`, `]}}}`),
		"product fields":           filled(hub[0], `"aws/guardduty/service/a%d":""`, hub[1]),
		"deep product fields":      filled(hub[0], `"aws/guardduty/service/a%d/b/c/d/e/f/g/h/i/j/k":""`, hub[1]),
		"deep nesting":             []byte(strings.Repeat(`{"detail":`, MaxEventSize/10)),
		"deep lists":               []byte(strings.Repeat(`[`, MaxEventSize)),
		"deep in an unknown field": []byte(`{"x":` + strings.Repeat(`[`, 9_000) + strings.Repeat(`]`, 9_000) + `,` + head[1:] + `"resource":{"resourceType":"S3Bucket"}}`),
		"a long string":            []byte(set(minimal, "region", `"`+strings.Repeat("x", MaxEventSize-1000)+`"`)),
		"a long string to clean":   []byte(set(minimal, "region", `"`+strings.Repeat("\u202e", MaxEventSize/3-1000)+`"`)),
		"a long instance id":       []byte(withInstance(`{"instanceId":"` + strings.Repeat(`\n`, MaxEventSize/2-1000) + `"}`)),
		"a long number":            []byte(set(minimal, "severity", strings.Repeat("9", MaxEventSize-1000))),
		"keys":                     filled(`{`, `"k%d":0`, `}`),
		"one key, often":           filled(`{`, `"service":{"action":{}}`, `}`),
		"escapes":                  []byte(set(minimal, "region", `"`+strings.Repeat(`\u0007`, MaxEventSize/6-1000)+`"`)),
	}
}

// everyEndpoint is a sequence whose every instance has every endpoint as peer, as
// often as the bounds allow.
func everyEndpoint(seq string) []byte {
	var endpoints, resources, ids, uids []string
	for n := range maxList {
		endpoints = append(endpoints, fmt.Sprintf(`{"id":"e%d","ip":"2001:db8::%x","connection":{"direction":"OUTBOUND"}}`, n, n+1))
		resources = append(resources, fmt.Sprintf(`{"resourceType":"EC2_INSTANCE","uid":"i-%08x"}`, n))
		ids = append(ids, fmt.Sprintf(`"e%d"`, n))
		uids = append(uids, fmt.Sprintf(`"i-%08x"`, n))
	}
	signal := `{"type":"FLOW_LOGS","resourceUids":[` + strings.Join(uids, ",") + `],"endpointIds":[` + strings.Join(ids, ",") + `]}`
	all := seq + `"endpoints":[` + strings.Join(endpoints, ",") + `],"resources":[` + strings.Join(resources, ",") + `],"signals":[`
	return filled(all, signal, `]}}}}`)
}

// sequences are many such findings in one event.
func sequences() []byte {
	const head = `{"id":"abc","accountId":"111122223333","type":"AttackSequence:EC2/CompromisedInstanceGroup","severity":9,` +
		`"resource":{"resourceType":"AttackSequence"},"service":{"detection":{"sequence":{`
	one := string(everyEndpoint(head))
	at := strings.Index(one, `"signals":[`) + len(`"signals":[`)
	end := strings.Index(one[at:], `]}`) + at // of the first signal
	return filled(`{"Findings":[`, strings.TrimSuffix(one[:end], ",")+`]}`+`]}}}}`, `]}`)
}

// Reading an event costs memory and time in proportion to its size, whatever it
// consists of.
//
// It is not parallel: it measures what the whole process allocates.
func TestParseEventIsBounded(t *testing.T) {
	if raced {
		t.Skip("the race detector's own memory and time would be measured")
	}
	const most, longest = 16 * MaxEventSize, 10 * time.Second
	for name, event := range hostile() {
		t.Run(name, func(t *testing.T) {
			if len(event) > MaxEventSize {
				t.Fatalf("%d bytes are more than the parser reads", len(event))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			findings, err := ParseEvent(event)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes: %d MiB allocated, %v; %d findings", len(event), allocated>>20, took.Round(time.Millisecond), len(findings))
			if allocated > most {
				t.Errorf("allocated %d MiB for an event of %d MiB, want at most %d MiB", allocated>>20, len(event)>>20, most>>20)
			}
			if took > longest {
				t.Errorf("took %v", took)
			}
			if len(findings) == 0 && err == nil {
				t.Error("neither a finding nor an error")
			}
			if err != nil && strings.Contains(err.Error(), "invalid JSON") && !strings.HasPrefix(name, "deep ") {
				t.Errorf("the test's event is not valid JSON: %v", err)
			}
			if err != nil && len(err.Error()) > 1<<20 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			for _, f := range findings {
				checkFinding(t, f)
			}
		})
	}
}
